import type { Kysely } from "kysely";
import type { Output } from "../contract/output.ts";
import { isHeld } from "./bundles-hold.ts";
import type { OutputsTable, Schema } from "./schema.ts";
import type { ContentRow, RunFiles } from "./store.ts";

const pageRows = 1000;
/** Where blobs are named. A blob may be in several. */
const holders = ["blob_refs", "artifact_blobs", "agent_blobs", "bundle_blobs"] as const;

/** The rows of a holder that hold: those of a bundle only while somebody refers to its content. */
function heldBy(db: Kysely<Schema>, table: (typeof holders)[number]) {
  const rows = db.selectFrom(table).select("sha256");
  return table === "bundle_blobs" ? rows.where(isHeld(table)) : rows;
}

/** What runs wrote: outputs, content, and which blobs anything refers to. */
export function openRunFiles(reads: Kysely<Schema>): RunFiles {
  const outputsOf = (workspaceId: string, runId: string) =>
    reads
      .selectFrom("outputs")
      .selectAll()
      .where("run_id", "=", runId)
      .where("workspace_id", "=", workspaceId);
  return {
    async outputs(workspaceId, runId) {
      return (await outputsOf(workspaceId, runId).orderBy("position").execute()).map(outputOf);
    },
    async output(workspaceId, runId, outputId) {
      const row = await outputsOf(workspaceId, runId).where("id", "=", outputId).executeTakeFirst();
      return row && outputOf(row);
    },
    async content(rootRunId) {
      const rows = await reads
        .selectFrom("contents")
        .selectAll()
        .where("root_run_id", "=", rootRunId)
        .orderBy("position")
        .execute();
      return rows.map((row) => ({
        runId: row.run_id,
        name: row.name,
        visibility: row.visibility as ContentRow["visibility"],
        sha256: row.sha256,
        bytes: row.bytes,
        order: row.position,
      }));
    },
    async isReferenced(sha256) {
      for (const table of holders) {
        const row = await heldBy(reads, table)
          .where("sha256", "=", sha256)
          .limit(1)
          .executeTakeFirst();
        if (row !== undefined) return true;
      }
      return false;
    },
    async *referenced() {
      for (const table of holders) yield* referenced(reads, table);
    },
  };
}

/** In pages, so that a sweep of millions of blobs holds neither memory nor the connection. */
async function* referenced(
  db: Kysely<Schema>,
  table: (typeof holders)[number],
): AsyncIterable<string> {
  let last = "";
  for (;;) {
    const rows = await heldBy(db, table)
      .distinct()
      .where("sha256", ">", last)
      .orderBy("sha256")
      .limit(pageRows)
      .execute();
    for (const row of rows) yield row.sha256;
    last = rows.at(-1)?.sha256 ?? "";
    if (rows.length < pageRows) return;
  }
}

function outputOf(row: OutputsTable): Output {
  return {
    id: row.id,
    path: row.path,
    name: row.name,
    sha256: row.sha256,
    bytes: row.bytes,
    contentType: row.content_type,
  };
}
