import { assert } from "../base/assert.ts";
import type { RunEvent } from "../contract/event.ts";
import type { Interaction, InteractionAnswer } from "../contract/interaction.ts";
import { isEnd } from "../contract/run.ts";
import {
  findInteraction,
  type InteractionFilter,
  interactionOf,
  listInteractions,
} from "./interactions-list.ts";
import type { InteractionsTable } from "./interactions-schema.ts";
import { findRow } from "./interactions-write.ts";
import { appendTo, type Parts } from "./journal.ts";
import type { Statements } from "./statements.ts";
import type { Tx } from "./writer.ts";

/** An answer of a person as it is written down. */
export type GivenAnswer = Pick<
  InteractionAnswer,
  "answer_text" | "answer_option_id" | "answered_by"
>;

/**
 * The rows of questions to people: what the events of the journals say of them, written in the same transaction (I1).
 * They go with the run that asked.
 */
export interface InteractionRows {
  /** The time by which questions run out: wall-clock milliseconds that never go back. */
  now(): number;
  get(workspaceId: string, id: string): Promise<Interaction | undefined>;
  list(
    workspaceId: string,
    filter: InteractionFilter,
  ): Promise<{ interactions: Interaction[]; nextCursor?: string }>;
  /**
   * Appends `input.answered` to the run that asked, unless somebody has answered, or its time is over. Undefined when it
   * is not there. The run itself goes on by `waits.settle`.
   */
  answer(
    workspaceId: string,
    id: string,
    given: GivenAnswer,
  ): Promise<{ answered: boolean; interaction: Interaction } | undefined>;
  /** Appends `input.answered` with `expired` where nobody answered in time, and says which runs asked. */
  expire(): Promise<string[]>;
  /** When the next pending question runs out, as wall-clock milliseconds. */
  nextExpiry(): Promise<number | undefined>;
  /** How often a run tree has asked since then. */
  askedSince(rootRunId: string, since: string): Promise<number>;
}

/** Questions that one transaction lets run out: it holds the event loop for some milliseconds. */
const expiredAtOnce = 50;

interface Answering {
  tx: Tx;
  statements: Statements;
  /** ISO 8601; never goes back. */
  time: string;
}

/** `announce` tells followers of a journal of what this part appended to it. */
export function openInteractionRows(
  { writer, reads, statements, approvalNow: now }: Parts,
  announce: (events: RunEvent[]) => void,
): InteractionRows {
  const time = () => new Date(now()).toISOString();
  const announceAll = (events: RunEvent[]) => {
    for (const event of events) announce([event]);
  };
  return {
    now,
    get: (workspaceId, id) => findInteraction(reads, workspaceId, id),
    list: (workspaceId, filter) => listInteractions(reads, workspaceId, filter),
    async answer(workspaceId, id, given) {
      const wrote = await writer.write(
        (tx) => answerOne({ tx, statements, time: time() }, workspaceId, id, given),
        (result) => announceAll(result?.events ?? []),
      );
      if (wrote === undefined) return undefined;
      const { answered, interaction } = wrote;
      return { answered, interaction };
    },
    async expire() {
      const runIds: string[] = [];
      for (;;) {
        const events = await writer.write(
          (tx) => expireSome({ tx, statements, time: time() }),
          announceAll,
        );
        runIds.push(...events.map(({ runId }) => runId));
        if (events.length < expiredAtOnce) return runIds;
      }
    },
    async nextExpiry() {
      const row = await reads
        .selectFrom("interactions")
        .select((eb) => eb.fn.min<string | null>("expires_at").as("time"))
        .where("status", "=", "pending")
        .executeTakeFirst();
      return row?.time ? Date.parse(row.time) : undefined;
    },
    async askedSince(rootRunId, since) {
      const { asked } = await reads
        .selectFrom("interactions")
        .select((eb) => eb.fn.countAll<number>().as("asked"))
        .where("root_run_id", "=", rootRunId)
        .where("requested_at", ">=", since)
        .executeTakeFirstOrThrow();
      return asked;
    },
  };
}

async function answerOne(
  at: Answering,
  workspaceId: string,
  id: string,
  given: GivenAnswer,
): Promise<{ answered: boolean; interaction: Interaction; events: RunEvent[] } | undefined> {
  const row = await findRow(at.tx, id);
  if (row?.workspace_id !== workspaceId) return undefined;
  if (row.status !== "pending") {
    return { answered: false, interaction: interactionOf(row), events: [] };
  }
  const isOver = row.expires_at <= at.time;
  const events = await tell(at, row, isOver ? expired : { ...given, status: "answered" });
  const interaction = await findInteraction(at.tx, workspaceId, id);
  assert(interaction, `${id} is there in the transaction that answers it`);
  return { answered: !isOver, interaction, events };
}

async function expireSome(at: Answering): Promise<RunEvent[]> {
  const rows = await at.tx
    .selectFrom("interactions")
    .selectAll()
    .where("status", "=", "pending")
    .where("expires_at", "<=", at.time)
    .orderBy("expires_at")
    .limit(expiredAtOnce)
    .execute();
  const events: RunEvent[] = [];
  for (const row of rows) events.push(...(await tell(at, row, expired)));
  return events;
}

async function tell(
  { tx, statements, time }: Answering,
  row: InteractionsTable,
  answer: Told,
): Promise<RunEvent[]> {
  const run = await statements.runRow.first(tx, { runId: row.run_id });
  assert(run && !isEnd(run.status), `${row.run_id} waits for ${row.id}, so it is there`);
  const data = { interaction_id: row.id, call_id: row.call_id, ...answer };
  return appendTo(tx, statements, run, [{ type: "input.answered", data }], time);
}

type Told = Omit<InteractionAnswer, "interaction_id" | "call_id">;

const expired: Told = {
  ...{ status: "expired", answer_text: null, answer_option_id: null, answered_by: null },
};
