import type { Kysely } from "kysely";
import type { Run } from "../contract/run.ts";
import { runOf } from "./run-row.ts";
import type { RunsTable, Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";

/** One run of one workspace; undefined when there is none, or it is somebody else's (I14). */
export async function findRun(
  db: Kysely<Schema>,
  statements: Statements,
  workspaceId: string,
  runId: string,
): Promise<Run | undefined> {
  const row = await statements.runRow.first(db, { runId });
  if (!row || row.workspace_id !== workspaceId) return undefined;
  return toRun(db, statements, row);
}

/**
 * Completes a row to a run: with its submission, its place in the queue of the whole gateway, and what it waits for. Undefined when it
 * was deleted after its row was read.
 */
export async function toRun(
  db: Kysely<Schema>,
  statements: Statements,
  row: RunsTable,
): Promise<Run | undefined> {
  const runId = row.id;
  const first = await statements.firstData.first(db, { runId });
  if (!first) return undefined;
  const place =
    row.status === "queued" ? await statements.queuedUpTo.first(db, { runId }) : undefined;
  const asked =
    row.status === "waiting" ? await statements.pendingApproval.first(db, { runId }) : undefined;
  return runOf(row, first.data, {
    position: place?.queued ?? null,
    approvalId: asked?.id ?? null,
  });
}
