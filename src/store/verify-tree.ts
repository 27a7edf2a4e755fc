import type { Kysely } from "kysely";
import { canonicalJson } from "../base/canonical-json.ts";
import type { RunEvent } from "../contract/event.ts";
import type { WaitsTable } from "./interactions-schema.ts";
import type { BuiltArtifactsTable, RunsTable, Schema } from "./schema.ts";
import { builtRow, type TreeColumns, treeColumns, waitAfter } from "./tree-rows.ts";

/** What a journal says of its run's place in a tree, of what it waits for, and of what it built. */
export interface TreeFold {
  columns: TreeColumns | undefined;
  wait: WaitsTable | null;
  built: BuiltArtifactsTable[];
}

export function emptyTreeFold(): TreeFold {
  return { columns: undefined, wait: null, built: [] };
}

export function foldTree(fold: TreeFold, run: RunsTable, event: RunEvent): void {
  const of = { runId: run.id, workspaceId: run.workspace_id, rootRunId: run.root_run_id };
  if (event.type === "run.submitted") fold.columns = treeColumns(run.id, event.data);
  const wait = waitAfter(of, event);
  if (wait !== undefined) fold.wait = wait;
  const built = builtRow(of, event);
  if (built !== undefined) fold.built.push(built);
}

/** Holds the rows of a run against what its journal gives. */
export async function compareTree(
  tx: Kysely<Schema>,
  run: RunsTable,
  fold: TreeFold,
  report: (message: string) => void,
): Promise<void> {
  for (const [column, wanted] of Object.entries(fold.columns ?? {})) {
    const found = run[column as keyof TreeColumns];
    if (found === wanted) continue;
    const said = `${JSON.stringify(found)}, its journal gives ${JSON.stringify(wanted)}`;
    report(`The row has ${column} ${said}`);
  }
  const wait = await tx
    .selectFrom("waits")
    .selectAll()
    .where("run_id", "=", run.id)
    .executeTakeFirst();
  if (!same(wait ?? null, fold.wait)) report("What the run waits for is not the journal's");
  const built = await tx
    .selectFrom("built_artifacts")
    .selectAll()
    .where("run_id", "=", run.id)
    .orderBy("seq")
    .execute();
  if (!same(built, fold.built)) report("The artifacts that it built are not the journal's");
}

function same(found: unknown, wanted: unknown): boolean {
  return canonicalJson(found) === canonicalJson(wanted);
}
