import type { Kysely } from "kysely";
import { limits } from "../base/limits.ts";
import type { RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import { appendTo, type Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Tx } from "./writer.ts";

/** A run of a tree to which something can be said. */
export interface Addressee {
  runId: string;
  agent: string | null;
  /** It takes no turn any more. */
  ended: boolean;
}

export interface NewMessage {
  workspaceId: string;
  rootRunId: string;
  from: { runId: string; callId: string; agent: string };
  /** The runs that get it, all or none. */
  to: readonly string[];
  text: string;
}

export type SentMessage =
  | { type: "delivered"; to: Addressee[] }
  | { type: "ended" }
  | { type: "full"; runId: string };

/** What runs of one tree say to each other. */
export interface Messages {
  /** The runs of a tree, oldest first; `parent`: of this run. */
  addressees(
    workspaceId: string,
    rootRunId: string,
    runId: string,
  ): Promise<{ all: Addressee[]; parent: string | null }>;
  /**
   * Appends `message.received` to those of the runs that are open, in one transaction. A call that has sent it before
   * sends nothing, and gets the same answer.
   */
  send(message: NewMessage): Promise<SentMessage>;
}

/** `announce` tells followers of a journal of what this part appended to it. */
export function openMessages(
  { writer, reads, statements, clock }: Parts,
  announce: (events: RunEvent[]) => void,
): Messages {
  return {
    async addressees(workspaceId, rootRunId, runId) {
      const rows = await ofTree(reads, workspaceId, rootRunId)
        .select(["id", "agent", "status", "parent_run_id"])
        .orderBy("id")
        .execute();
      const parent = rows.find(({ id }) => id === runId)?.parent_run_id ?? null;
      return { all: rows.map(addresseeOf), parent };
    },
    async send(message) {
      const time = new Date(clock.now()).toISOString();
      const wrote = await writer.write(
        (tx) => sendOne(tx, statements, message, time),
        ({ events }) => {
          for (const event of events) announce([event]);
        },
      );
      return wrote.sent;
    },
  };
}

function ofTree(db: Kysely<Schema>, workspaceId: string, rootRunId: string) {
  return db
    .selectFrom("runs")
    .where("root_run_id", "=", rootRunId)
    .where("workspace_id", "=", workspaceId);
}

function addresseeOf(row: { id: string; agent: string | null; status: string }): Addressee {
  const ended = isEnd(row.status) || row.status === "cleaning_up";
  return { runId: row.id, agent: row.agent, ended };
}

async function sendOne(
  tx: Tx,
  statements: Statements,
  { workspaceId, rootRunId, from, to, text }: NewMessage,
  time: string,
): Promise<{ sent: SentMessage; events: RunEvent[] }> {
  const rows = await ofTree(tx, workspaceId, rootRunId)
    .select(["id", "agent", "status"])
    .where("id", "in", to)
    .orderBy("id")
    .execute();
  const before: Addressee[] = [];
  for (const row of rows) {
    if (await hasIt(tx, row.id, from.callId)) before.push(addresseeOf(row));
  }
  if (before.length > 0) return { sent: { type: "delivered", to: before }, events: [] };
  const open = rows.map(addresseeOf).filter(({ ended }) => !ended);
  if (open.length === 0) return { sent: { type: "ended" }, events: [] };
  const data = { from_run_id: from.runId, from: from.agent, text, call_id: from.callId };
  for (const { runId } of open) {
    if ((await unread(tx, runId)) < limits.messagesUnread) continue;
    return { sent: { type: "full", runId }, events: [] };
  }
  const events: RunEvent[] = [];
  for (const { runId } of open) {
    const run = await statements.runRow.first(tx, { runId });
    if (run === undefined) continue;
    events.push(
      ...(await appendTo(tx, statements, run, [{ type: "message.received", data }], time)),
    );
  }
  return { sent: { type: "delivered", to: open }, events };
}

/** A call makes its message once, however often it is repeated. */
async function hasIt(tx: Tx, runId: string, callId: string): Promise<boolean> {
  const row = await tx
    .selectFrom("events")
    .select("seq")
    .where("run_id", "=", runId)
    .where("type", "=", "message.received")
    // The quotes of a text are escaped, so what is looked for stands in no message but as this member.
    .where("data", "like", `%"call_id":"${callId}"%`)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function unread(tx: Tx, runId: string): Promise<number> {
  const last = await tx
    .selectFrom("events")
    .select((eb) => eb.fn.max<number | null>("seq").as("seq"))
    .where("run_id", "=", runId)
    .where("type", "=", "turn.replied")
    .executeTakeFirst();
  const { count } = await tx
    .selectFrom("events")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("run_id", "=", runId)
    .where("type", "=", "message.received")
    .where("seq", ">", last?.seq ?? 0)
    .executeTakeFirstOrThrow();
  return count;
}
