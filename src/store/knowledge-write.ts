import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import type { RunEvent } from "../contract/event.ts";
import type { WrittenFact, WrittenState } from "../contract/sdk-call.ts";
import type { AppendTo } from "./append.ts";
import type { AgentStateTable, KnowledgeTable } from "./knowledge-tables.ts";
import type { Tx } from "./writer.ts";

/** A fact or a value cannot be written; nothing of the append was. */
export class KnowledgeRefused extends Error {
  override name = "KnowledgeRefused";
  readonly reason: "not_yours" | "full";
  constructor(reason: "not_yours" | "full", message: string) {
    super(message);
    this.reason = reason;
  }
}

type Written = Pick<RunEvent, "seq" | "time">;

/** Writes what an `sdk.called` says was written. Throws `KnowledgeRefused` for a fact of another agent, and when there are too many. */
export async function writeKnowledge(tx: Tx, run: AppendTo, event: RunEvent): Promise<void> {
  if (event.type !== "sdk.called") return;
  const { fact, state } = event.data;
  if (fact !== undefined) await writeFact(tx, factRow(run, fact, event));
  if (state !== undefined) await writeState(tx, stateRow(run, state, event));
}

/**
 * What an agent without a name has kept is its run tree's (`run:<root>`), and nobody else is ever that owner: its values and
 * its private facts go with the tree. What it gave to others stays theirs to read.
 */
export async function forgetKnowledge(
  tx: Tx,
  workspaceId: string,
  rootRunId: string,
): Promise<void> {
  const owner = `run:${rootRunId}`;
  await tx
    .deleteFrom("knowledge")
    .where("workspace_id", "=", workspaceId)
    .where("owner", "=", owner)
    .where("visibility", "=", "private")
    .execute();
  await tx
    .deleteFrom("agent_state")
    .where("workspace_id", "=", workspaceId)
    .where("owner", "=", owner)
    .execute();
}

export function factRow(
  { runId, workspaceId }: Pick<AppendTo, "runId" | "workspaceId">,
  { id, scope, owner, content, content_hash, tags, visibility, shared_with }: WrittenFact,
  { seq, time }: Written,
): KnowledgeTable {
  return {
    ...{ workspace_id: workspaceId, id, scope, owner, content_hash, visibility },
    ...{ content: canonicalJson(content), tags: JSON.stringify(tags) },
    ...{ shared_with: JSON.stringify(shared_with), run_id: runId, seq },
    ...{ created_at: time, updated_at: time },
  };
}

export function stateRow(
  { runId, workspaceId }: Pick<AppendTo, "runId" | "workspaceId">,
  { owner, kind, key, value, value_hash }: WrittenState,
  { seq, time }: Written,
): AgentStateTable {
  return {
    ...{ workspace_id: workspaceId, owner, kind, key, value: canonicalJson(value), value_hash },
    ...{ run_id: runId, seq, updated_at: time },
  };
}

async function writeFact(tx: Tx, row: KnowledgeTable): Promise<void> {
  const { workspace_id, id, owner } = row;
  const earlier = await tx
    .selectFrom("knowledge")
    .select("owner")
    .where("workspace_id", "=", workspace_id)
    .where("id", "=", id)
    .executeTakeFirst();
  if (earlier === undefined) {
    const { kept } = await tx
      .selectFrom("knowledge")
      .select((eb) => eb.fn.countAll<number>().as("kept"))
      .where("workspace_id", "=", workspace_id)
      .where("owner", "=", owner)
      .executeTakeFirstOrThrow();
    refuseFull(kept, limits.factsOfAgent, "facts");
    await tx.insertInto("knowledge").values(row).execute();
    return;
  }
  if (earlier.owner !== owner) {
    const message = `The fact ${JSON.stringify(id)} is another agent's: take another id`;
    throw new KnowledgeRefused("not_yours", message);
  }
  const { created_at: _, workspace_id: __, id: ___, ...changed } = row;
  await tx
    .updateTable("knowledge")
    .set(changed)
    .where("workspace_id", "=", workspace_id)
    .where("id", "=", id)
    .execute();
}

async function writeState(tx: Tx, row: AgentStateTable): Promise<void> {
  const { workspace_id, owner, kind, key, ...changed } = row;
  const updated = await tx
    .updateTable("agent_state")
    .set(changed)
    .where("workspace_id", "=", workspace_id)
    .where("owner", "=", owner)
    .where("kind", "=", kind)
    .where("key", "=", key)
    .executeTakeFirst();
  if (updated.numUpdatedRows > 0n) return;
  const { kept } = await tx
    .selectFrom("agent_state")
    .select((eb) => eb.fn.countAll<number>().as("kept"))
    .where("workspace_id", "=", workspace_id)
    .where("owner", "=", owner)
    .executeTakeFirstOrThrow();
  refuseFull(kept, limits.stateKeysOfAgent, "values");
  await tx.insertInto("agent_state").values(row).execute();
}

function refuseFull(kept: number, most: number, what: string): void {
  if (kept < most) return;
  throw new KnowledgeRefused("full", `The agent has ${kept} ${what} already, the most that it may`);
}
