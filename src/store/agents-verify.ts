import type { Kysely } from "kysely";
import { agentIdentity } from "../base/agent-identity.ts";
import { AgentFile, ManifestNote } from "../contract/installed-agent.ts";
import { AgentManifest } from "../contract/manifest.ts";
import { blobsOf } from "./agents.ts";
import type { AgentRevisionsTable } from "./agents-schema.ts";
import type { Schema } from "./schema.ts";
import type { Defect } from "./verify.ts";

const pageRows = 100;

type Key = Pick<AgentRevisionsTable, "workspace_id" | "agent_id" | "revision">;

/**
 * Holds every revision of every agent against its name, which is the digest of what it is made of, its blobs against the
 * rows that keep them, and every agent against the revision that is active.
 */
export async function verifyAgents(
  db: Kysely<Schema>,
  add: (defect: Defect) => void,
): Promise<void> {
  await verifyActive(db, add);
  for (let after: Key = { workspace_id: "", agent_id: "", revision: "" }; ; ) {
    const rows = await db
      .selectFrom("agent_revisions")
      .selectAll()
      .where(({ eb, refTuple, tuple }) =>
        eb(
          refTuple("workspace_id", "agent_id", "revision"),
          ">",
          tuple(after.workspace_id, after.agent_id, after.revision),
        ),
      )
      .orderBy("workspace_id")
      .orderBy("agent_id")
      .orderBy("revision")
      .limit(pageRows)
      .execute();
    for (const row of rows) {
      const message = faultOf(row, await heldBlobs(db, row));
      if (message !== undefined) add({ kind: "row_mismatch", subject: row.agent_id, message });
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

/** An agent whose revision is gone cannot be run; revisions of no agent cannot be found, and keep blobs for nobody. */
async function verifyActive(db: Kysely<Schema>, add: (defect: Defect) => void): Promise<void> {
  const lost = await db
    .selectFrom("agents")
    .leftJoin("agent_revisions", (join) =>
      join
        .onRef("agent_revisions.workspace_id", "=", "agents.workspace_id")
        .onRef("agent_revisions.agent_id", "=", "agents.id")
        .onRef("agent_revisions.revision", "=", "agents.revision"),
    )
    .select(["agents.id", "agents.revision"])
    .where("agent_revisions.revision", "is", null)
    .execute();
  for (const { id, revision } of lost) {
    const message = `The agent ${id} has no revision ${revision}, which is its active one`;
    add({ kind: "row_mismatch", subject: id, message });
  }
  const stray = await db
    .selectFrom("agent_revisions")
    .leftJoin("agents", (join) =>
      join
        .onRef("agents.workspace_id", "=", "agent_revisions.workspace_id")
        .onRef("agents.id", "=", "agent_revisions.agent_id"),
    )
    .select("agent_revisions.agent_id as id")
    .distinct()
    .where("agents.id", "is", null)
    .execute();
  for (const { id } of stray) {
    add({ kind: "row_mismatch", subject: id, message: `There are revisions of no agent ${id}` });
  }
}

async function heldBlobs(db: Kysely<Schema>, row: Key): Promise<string[]> {
  const rows = await db
    .selectFrom("agent_blobs")
    .select("sha256")
    .where("workspace_id", "=", row.workspace_id)
    .where("agent_id", "=", row.agent_id)
    .where("revision", "=", row.revision)
    .execute();
  return rows.map(({ sha256 }) => sha256);
}

function faultOf(row: AgentRevisionsTable, held: readonly string[]): string | undefined {
  const named = `The revision ${row.number} of the agent ${row.agent_id}`;
  const manifest = AgentManifest.safeParse(parsed(row.manifest));
  const files = AgentFile.array().safeParse(parsed(row.files));
  const notes = ManifestNote.array().safeParse(parsed(row.notes));
  if (!manifest.success || !files.success || !notes.success) return `${named} cannot be read`;
  if (manifest.data.agent.id !== row.agent_id) return `${named} has the manifest of another agent`;
  if (agentIdentity(row.skill_sha256, files.data) !== row.revision) {
    return `${named} is not what its digest says`;
  }
  const skill = { sha256: row.skill_sha256, bytes: row.skill_bytes };
  const wanted = blobsOf({ skill, files: files.data });
  const isHeld = wanted.length === held.length && wanted.every((sha256) => held.includes(sha256));
  return isHeld ? undefined : `${named} does not keep the blobs that it is made of`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
