import { createHash } from "node:crypto";
import type { Kysely } from "kysely";
import type { RunEvent } from "../contract/event.ts";
import type { AgentStateTable, KnowledgeTable } from "./knowledge-tables.ts";
import { factRow, stateRow } from "./knowledge-write.ts";
import type { Schema } from "./schema.ts";

/** The last that a journal says of each fact and each value that its run wrote. */
export interface KnowledgeFold {
  facts: Map<string, KnowledgeTable>;
  values: Map<string, AgentStateTable>;
}

export function emptyKnowledgeFold(): KnowledgeFold {
  return { facts: new Map(), values: new Map() };
}

export function foldKnowledge(
  fold: KnowledgeFold,
  run: { runId: string; workspaceId: string },
  event: RunEvent,
): void {
  if (event.type !== "sdk.called") return;
  const { fact, state } = event.data;
  if (fact !== undefined) fold.facts.set(fact.id, factRow(run, fact, event));
  if (state === undefined) return;
  const row = stateRow(run, state, event);
  fold.values.set(keyOf(row), row);
}

/** A row that names the run is what its journal says; what another run wrote since is held against that one's. */
export async function compareKnowledge(
  tx: Kysely<Schema>,
  runId: string,
  fold: KnowledgeFold,
  report: (message: string) => void,
): Promise<void> {
  const facts = await tx.selectFrom("knowledge").selectAll().where("run_id", "=", runId).execute();
  for (const { created_at: _, ...row } of facts) {
    const { created_at: __, ...wanted } = fold.facts.get(row.id) ?? { created_at: "" };
    if (!same(row, wanted)) report(`The fact ${row.id} is not the journal's`);
    if (digestOf(row.content) !== row.content_hash) report(`The fact ${row.id} is not its hash's`);
  }
  const values = await tx
    .selectFrom("agent_state")
    .selectAll()
    .where("run_id", "=", runId)
    .execute();
  for (const row of values) {
    const name = `The value ${row.key} of ${row.owner}`;
    if (!same(row, fold.values.get(keyOf(row)) ?? {})) report(`${name} is not the journal's`);
    if (digestOf(row.value) !== row.value_hash) report(`${name} is not its hash's`);
  }
  for (const { workspace_id, id } of fold.facts.values()) {
    const row = await tx
      .selectFrom("knowledge")
      .select("id")
      .where("workspace_id", "=", workspace_id)
      .where("id", "=", id)
      .executeTakeFirst();
    if (row === undefined) report(`The fact ${id} is missing`);
  }
  for (const { workspace_id, owner, kind, key } of fold.values.values()) {
    const row = await tx
      .selectFrom("agent_state")
      .select("key")
      .where("workspace_id", "=", workspace_id)
      .where("owner", "=", owner)
      .where("kind", "=", kind)
      .where("key", "=", key)
      .executeTakeFirst();
    if (row === undefined) report(`The value ${key} of ${owner} is missing`);
  }
}

function keyOf({ owner, kind, key }: AgentStateTable): string {
  return JSON.stringify([owner, kind, key]);
}

function same(row: object, wanted: object): boolean {
  const sorted = (value: object) => JSON.stringify(Object.entries(value).sort());
  return sorted(row) === sorted(wanted);
}

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
