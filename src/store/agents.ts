import { type Kysely, sql } from "kysely";
import { agentIdentity } from "../base/agent-identity.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { AgentFile, ManifestNote } from "../contract/installed-agent.ts";
import { AgentManifest } from "../contract/manifest.ts";
import { Problem } from "../contract/problem.ts";
import type { AgentRevisionRow, AgentRows, NewAgentRevision } from "./agents-rows.ts";
import type { AgentRevisionsTable } from "./agents-schema.ts";
import type { Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";
import type { Tx } from "./writer.ts";

/** The rows of installed agents. */
export function openAgentRows({ writer, reads, clock, log }: Parts): AgentRows {
  const now = () => new Date(clock.now()).toISOString();
  return {
    install: (workspaceId, revision) =>
      writer.write((tx) => install(tx, workspaceId, revision, now())),
    async find(workspaceId, id, revision) {
      const row = await wanted(reads, workspaceId, id, revision);
      return row && revisionOf(row);
    },
    async list(workspaceId) {
      const rows = await active(reads, workspaceId).orderBy("agents.id").execute();
      return rows.flatMap((row) => readable(row, log));
    },
    revisions: (workspaceId, id) =>
      ofAgent(reads, workspaceId, id)
        .select(["revision", "number", "created_at as createdAt"])
        .orderBy("number")
        .execute(),
    delete: (workspaceId, id) => writer.write((tx) => remove(tx, workspaceId, id)),
  };
}

function ofAgent(db: Kysely<Schema>, workspaceId: string, id: string) {
  return db
    .selectFrom("agent_revisions")
    .where("workspace_id", "=", workspaceId)
    .where("agent_id", "=", id);
}

function active(db: Kysely<Schema>, workspaceId: string) {
  return db
    .selectFrom("agents")
    .innerJoin("agent_revisions", (join) =>
      join
        .onRef("agent_revisions.workspace_id", "=", "agents.workspace_id")
        .onRef("agent_revisions.agent_id", "=", "agents.id")
        .onRef("agent_revisions.revision", "=", "agents.revision"),
    )
    .selectAll("agent_revisions")
    .where("agents.workspace_id", "=", workspaceId);
}

function wanted(
  db: Kysely<Schema>,
  workspaceId: string,
  id: string,
  revision: string | number | undefined,
): Promise<AgentRevisionsTable | undefined> {
  if (revision === undefined) {
    return active(db, workspaceId).where("agents.id", "=", id).executeTakeFirst();
  }
  const all = ofAgent(db, workspaceId, id).selectAll();
  return typeof revision === "number"
    ? all.where("number", "=", revision).executeTakeFirst()
    : all.where("revision", "=", revision).executeTakeFirst();
}

async function install(
  tx: Tx,
  workspaceId: string,
  made: NewAgentRevision,
  time: string,
): Promise<{ created: boolean; revision: AgentRevisionRow }> {
  const { id } = made.manifest.agent;
  const revision = agentIdentity(made.skill.sha256, made.files);
  const known = await wanted(tx, workspaceId, id, revision);
  if (known) {
    await activate(tx, workspaceId, id, revision, time);
    return { created: false, revision: revisionOf(known) };
  }
  const row: AgentRevisionsTable = {
    ...{ workspace_id: workspaceId, agent_id: id, revision },
    number: await nextNumber(tx, workspaceId, id),
    manifest: canonicalJson(made.manifest),
    ...{ instructions: made.instructions, notes: JSON.stringify(made.notes) },
    ...{ skill_sha256: made.skill.sha256, skill_bytes: made.skill.bytes },
    files: JSON.stringify(made.files),
    ...{ created_at: time, created_by: made.createdBy },
  };
  await refuseTooMany(tx, row);
  await tx.insertInto("agent_revisions").values(row).execute();
  for (const sha256 of blobsOf(made)) {
    await tx
      .insertInto("agent_blobs")
      .values({ workspace_id: workspaceId, agent_id: id, revision, sha256 })
      .execute();
  }
  await activate(tx, workspaceId, id, revision, time);
  return { created: true, revision: revisionOf(row) };
}

/** The blobs of which a revision is made. */
export function blobsOf({ skill, files }: Pick<NewAgentRevision, "skill" | "files">): string[] {
  return [...new Set([skill.sha256, ...files.map(({ sha256 }) => sha256)])];
}

async function activate(
  tx: Tx,
  workspaceId: string,
  id: string,
  revision: string,
  time: string,
): Promise<void> {
  await tx
    .insertInto("agents")
    .values({ workspace_id: workspaceId, id, revision, activated_at: time })
    .onConflict((conflict) =>
      conflict.columns(["workspace_id", "id"]).doUpdateSet({ revision, activated_at: time }),
    )
    .execute();
}

async function nextNumber(tx: Tx, workspaceId: string, id: string): Promise<number> {
  const last = await ofAgent(tx, workspaceId, id)
    .select("number")
    .orderBy("number", "desc")
    .limit(1)
    .executeTakeFirst();
  return (last?.number ?? 0) + 1;
}

async function refuseTooMany(tx: Tx, row: AgentRevisionsTable): Promise<void> {
  const { revisions, agents, bytes } = await tx
    .selectFrom("agent_revisions")
    .select(({ fn }) => [
      fn.count<number>("revision").filterWhere("agent_id", "=", row.agent_id).as("revisions"),
      fn.count<number>("agent_id").distinct().as("agents"),
      sql<number>`coalesce(sum(octet_length(manifest) + octet_length(instructions)
        + octet_length(notes) + octet_length(files)), 0)`.as("bytes"),
    ])
    .where("workspace_id", "=", row.workspace_id)
    .executeTakeFirstOrThrow();
  const refuse = (what: string) => {
    throw new Problem("invalid_request", `${what}: delete one that nobody needs`);
  };
  if (revisions === 0 && agents >= limits.workspaceAgents) {
    refuse(`Cannot keep more than ${limits.workspaceAgents} agents in a workspace`);
  }
  if (revisions >= limits.agentRevisions) {
    refuse(`Cannot keep more than ${limits.agentRevisions} revisions of one agent`);
  }
  const own = [row.manifest, row.instructions, row.notes, row.files];
  const sum = bytes + own.reduce((total, text) => total + Buffer.byteLength(text), 0);
  if (sum > limits.workspaceAgentBytes) {
    const most = limits.workspaceAgentBytes;
    refuse(`Cannot keep more than ${most} bytes of manifests and instructions in a workspace`);
  }
}

async function remove(tx: Tx, workspaceId: string, id: string): Promise<boolean> {
  const removed = await tx
    .deleteFrom("agents")
    .where("workspace_id", "=", workspaceId)
    .where("id", "=", id)
    .returning("id")
    .executeTakeFirst();
  for (const table of ["agent_revisions", "agent_blobs"] as const) {
    await tx
      .deleteFrom(table)
      .where("workspace_id", "=", workspaceId)
      .where("agent_id", "=", id)
      .execute();
  }
  return removed !== undefined;
}

/** One agent that cannot be read must not take all others of its workspace with it. Who asks for it is told. */
function readable(row: AgentRevisionsTable, log: Log): AgentRevisionRow[] {
  try {
    return [revisionOf(row)];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { workspace_id: workspace, agent_id: agent, number } = row;
    log.error({ workspace, agent, number }, "agent.unreadable");
    return [];
  }
}

/** Throws `digest_mismatch` for a row that no install could have written. */
function revisionOf(row: AgentRevisionsTable): AgentRevisionRow {
  try {
    return {
      ...{ agentId: row.agent_id, revision: row.revision, number: row.number },
      manifest: AgentManifest.parse(JSON.parse(row.manifest)),
      instructions: row.instructions,
      notes: JSON.parse(row.notes) as ManifestNote[],
      skill: { sha256: row.skill_sha256, bytes: row.skill_bytes },
      files: JSON.parse(row.files) as AgentFile[],
      ...{ createdAt: row.created_at, createdBy: row.created_by },
    };
  } catch (cause) {
    const message = `The agent ${row.agent_id} (revision ${row.number}) cannot be read`;
    throw new Problem("digest_mismatch", message, { revision: row.revision }, { cause });
  }
}
