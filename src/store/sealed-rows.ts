import type { Parts } from "./journal.ts";
import type { SealedRow, SealedRows } from "./sealed.ts";
import type { Tx } from "./writer.ts";

/** A row by its table and primary key. */
type Key =
  | { of: "run"; runId: string; name: string }
  | { of: "workspace"; workspaceId: string; name: string; version: number };

/** Everything that is sealed, whatever for: first what runs brought, then what workspaces keep. */
export function openSealedRows({ writer, reads }: Parts): SealedRows {
  return {
    async batch(after, most) {
      const last: Key | null = after === null ? null : JSON.parse(after);
      const runs = last?.of === "workspace" ? [] : await ofRuns(reads, last, most);
      if (runs.length >= most) return runs;
      const secrets = last?.of === "workspace" ? last : null;
      return [...runs, ...(await ofWorkspaces(reads, secrets, most - runs.length))];
    },
    async replace(rows) {
      if (rows.length === 0) return;
      await writer.write(async (tx) => {
        for (const row of rows) await replaceOne(tx, row);
      });
    },
  };
}

async function ofRuns(
  db: Tx,
  after: Extract<Key, { of: "run" }> | null,
  most: number,
): Promise<SealedRow[]> {
  const { runId, name } = after ?? { runId: "", name: "" };
  const rows = await db
    .selectFrom("sealed_secrets")
    .select(["run_id", "name", "sealed"])
    .where(({ eb, refTuple, tuple }) => eb(refTuple("run_id", "name"), ">", tuple(runId, name)))
    .orderBy("run_id")
    .orderBy("name")
    .limit(most)
    .execute();
  return rows.map((row) => ({
    key: keyText({ of: "run", runId: row.run_id, name: row.name }),
    context: `${row.run_id}/${row.name}`,
    sealed: row.sealed,
  }));
}

async function ofWorkspaces(
  db: Tx,
  after: Extract<Key, { of: "workspace" }> | null,
  most: number,
): Promise<SealedRow[]> {
  const { workspaceId, name, version } = after ?? { workspaceId: "", name: "", version: 0 };
  const rows = await db
    .selectFrom("workspace_secrets")
    .select(["workspace_id", "name", "version", "sealed"])
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple("workspace_id", "name", "version"), ">", tuple(workspaceId, name, version)),
    )
    .orderBy("workspace_id")
    .orderBy("name")
    .orderBy("version")
    .limit(most)
    .execute();
  return rows.map((row) => ({
    key: keyText({
      ...{ of: "workspace", workspaceId: row.workspace_id, name: row.name, version: row.version },
    }),
    context: `workspace/${row.workspace_id}/${row.name}`,
    sealed: row.sealed,
  }));
}

async function replaceOne(
  tx: Tx,
  { key: text, sealed, resealed }: SealedRow & { resealed: Uint8Array },
): Promise<void> {
  const key: Key = JSON.parse(text);
  if (key.of === "run") {
    await tx
      .updateTable("sealed_secrets")
      .set({ sealed: resealed })
      .where("run_id", "=", key.runId)
      .where("name", "=", key.name)
      .where("sealed", "=", sealed)
      .execute();
    return;
  }
  await tx
    .updateTable("workspace_secrets")
    .set({ sealed: resealed })
    .where("workspace_id", "=", key.workspaceId)
    .where("name", "=", key.name)
    .where("version", "=", key.version)
    .where("sealed", "=", sealed)
    .execute();
}

function keyText(key: Key): string {
  return JSON.stringify(key);
}
