import type { Kysely } from "kysely";
import { assert } from "../base/assert.ts";
import type { RunEvent } from "../contract/event.ts";
import type { AppendTo } from "./append.ts";
import { askedRow, droppedRow, dropsQuestions, toldRow } from "./interactions-fold.ts";
import type { InteractionsTable } from "./interactions-schema.ts";
import type { Schema } from "./schema.ts";
import type { Defect } from "./verify.ts";
import type { Tx } from "./writer.ts";

/** Writes what an event says of questions to people, in the transaction of the append. */
export async function writeInteractions(tx: Tx, run: AppendTo, event: RunEvent): Promise<void> {
  const { time } = event;
  if (event.type === "input.requested") {
    const row = await tx
      .selectFrom("runs")
      .select("agent")
      .where("id", "=", run.runId)
      .executeTakeFirstOrThrow();
    const asked = askedRow({ ...run, agent: row.agent }, time, event.data);
    await tx.insertInto("interactions").values(asked).execute();
  } else if (event.type === "input.answered") {
    const row = await findRow(tx, event.data.interaction_id);
    assert(row?.run_id === run.runId, `${run.runId} has not asked what its event answers`);
    await update(tx, toldRow(row, time, event.data));
  } else if (dropsQuestions(event)) {
    const pending = await tx
      .selectFrom("interactions")
      .selectAll()
      .where("run_id", "=", run.runId)
      .where("status", "=", "pending")
      .execute();
    for (const row of pending) await update(tx, droppedRow(row, time));
  }
}

/** The row of this id, of whatever workspace. */
export function findRow(db: Kysely<Schema>, id: string): Promise<InteractionsTable | undefined> {
  return db.selectFrom("interactions").selectAll().where("id", "=", id).executeTakeFirst();
}

async function update(tx: Tx, { id, status, answer, answered_at }: InteractionsTable) {
  await tx
    .updateTable("interactions")
    .set({ status, answer, answered_at })
    .where("id", "=", id)
    .execute();
}

/** The rows of questions that a journal gives, by id. */
export type InteractionFold = Map<string, InteractionsTable>;

/** Adds one event to them. Throws when the event cannot follow from those before it. */
export function foldInteractions(
  rows: InteractionFold,
  run: AppendTo & { agent: string | null },
  event: RunEvent,
): void {
  const { time } = event;
  if (event.type === "input.requested") {
    rows.set(event.data.interaction_id, askedRow(run, time, event.data));
  } else if (event.type === "input.answered") {
    const row = rows.get(event.data.interaction_id);
    if (row === undefined) throw new Error(`Nothing has asked ${event.data.interaction_id} before`);
    rows.set(row.id, toldRow(row, time, event.data));
  } else if (dropsQuestions(event)) {
    for (const row of rows.values()) {
      if (row.status === "pending") rows.set(row.id, droppedRow(row, time));
    }
  }
}

/** Holds the rows of one run against what its journal gives. */
export async function compareInteractions(
  tx: Kysely<Schema>,
  runId: string,
  expected: InteractionFold,
  report: (message: Defect["message"]) => void,
): Promise<void> {
  const rows = await tx
    .selectFrom("interactions")
    .selectAll()
    .where("run_id", "=", runId)
    .execute();
  for (const row of rows) {
    const wanted = expected.get(row.id);
    if (wanted === undefined) {
      report(`The journal has not asked ${row.id}`);
      continue;
    }
    for (const column of Object.keys(wanted) as (keyof InteractionsTable)[]) {
      if (row[column] === wanted[column]) continue;
      report(`Interaction ${row.id} has a ${column} that its journal does not give`);
    }
  }
  const found = new Set(rows.map(({ id }) => id));
  for (const id of expected.keys()) if (!found.has(id)) report(`Interaction ${id} is missing`);
}
