import { channel } from "node:diagnostics_channel";
import type { Kysely } from "kysely";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { EventType, NewEvent, RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import { writeAppended } from "./append.ts";
import { refuseUnusable } from "./approvals-write.ts";
import { refuseOverBudget } from "./budgets-write.ts";
import { link } from "./link.ts";
import { rowsThatFit } from "./page.ts";
import { findRun } from "./run-query.ts";
import { eventOf, stateOf } from "./run-row.ts";
import type { RunsTable, Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Appended, Begin, Fence, Journal, RunLease } from "./store.ts";
import { earlierSubmission, submitRun } from "./submit.ts";
import { takeFreeUid, uidOf } from "./uids.ts";
import type { Tx, Writer } from "./writer.ts";

/** What the parts of the store work with. */
export interface Parts {
  writer: Writer;
  reads: Kysely<Schema>;
  statements: Statements;
  clock: Clock;
  /** The time by which approvals run out. */
  approvalNow: () => number;
  log: Log;
}

/** Tests of the whole gateway listen here: one message per event, sent right after its commit. */
const committedChannel = channel("airlock:journal.committed");

type OnAppend = (lastSeq: number) => void;

/** The journal, and how to tell its followers of events that another part of the store appended. */
export function openJournal(parts: Parts): Journal & { announce(events: RunEvent[]): void } {
  const { writer, reads, statements, clock, approvalNow } = parts;
  const followers = new Map<string, Set<OnAppend>>();
  const now = () => new Date(clock.now()).toISOString();
  const latestTime = () => new Date(approvalNow()).toISOString();

  function announce(events: RunEvent[]): void {
    for (const { runId, seq, type } of events) committedChannel.publish({ runId, seq, type });
    const last = events.at(-1);
    if (!last) return;
    for (const callback of [...(followers.get(last.runId) ?? [])]) {
      try {
        callback(last.seq);
      } catch (error) {
        // One broken listener must not keep the news from the others.
        parts.log.error({ err: error, runId: last.runId }, "store.follower_failed");
      }
    }
  }

  return {
    announce,
    submit: (run) =>
      writer
        .write(
          (tx) => submitRun(tx, statements, run, now()),
          (result) => announce(result.events),
        )
        .then((result) => result.submitted),

    earlier: (workspaceId, idempotencyKey, bodyHash) =>
      earlierSubmission(reads, statements, { workspaceId, idempotencyKey, bodyHash }),

    claim: async (runId, epoch, begin) =>
      (await claimNow(parts, announce, { runId, epoch, begin, time: now() }))?.lease,

    append: (runId, fence, events) =>
      writer.write(
        (tx) =>
          appendFenced(tx, statements, {
            ...{ runId, fence, events, time: now(), latest: latestTime() },
          }),
        (result) => announce(result.type === "appended" ? result.events : []),
      ),

    appendFromOutside: (workspaceId, runId, decide) =>
      writer.write(
        async (tx) => {
          const run = await findRun(tx, statements, workspaceId, runId);
          if (!run) return undefined;
          const added = decide(run);
          if (!added) return { run, event: null };
          const row = await statements.runRow.first(tx, { runId });
          assert(row, `The row of ${runId} is there in the transaction that has just read it`);
          const [event] = await appendTo(tx, statements, row, [added], now());
          const after = await findRun(tx, statements, workspaceId, runId);
          assert(after && event, `Run ${runId} is there after an append to it`);
          return { run: after, event };
        },
        (result) => announce(result?.event ? [result.event] : []),
      ),

    async read(runId, since, limit, maxBytes = limits.pageBytes) {
      const sizes = await statements.eventSizes.all(reads, { runId, since, limit });
      const fits = rowsThatFit(sizes, maxBytes);
      return (await statements.readEvents.all(reads, { runId, since, limit: fits })).map(eventOf);
    },

    onAppend(runId, callback) {
      const callbacks = followers.get(runId) ?? new Set();
      // A wrapper of its own, so that one function can be registered twice and stopped once.
      const follower: OnAppend = (lastSeq) => callback(lastSeq);
      followers.set(runId, callbacks.add(follower));
      return () => {
        callbacks.delete(follower);
        if (callbacks.size === 0 && followers.get(runId) === callbacks) followers.delete(runId);
      };
    },

    latest: (runId, type) => latest(reads, runId, type),
  };
}

/**
 * Appends to a run whose row was read in the same transaction, whoever asks: the callers check whether they may.
 * Returns the events as they are in the journal.
 */
export async function appendTo(
  tx: Tx,
  statements: Statements,
  row: RunsTable,
  added: NewEvent[],
  time: string,
): Promise<RunEvent[]> {
  const run = { runId: row.id, workspaceId: row.workspace_id, rootRunId: row.root_run_id };
  const before = stateOf(row);
  const linked = link(run, before, added, time);
  await writeAppended(tx, statements, run, before, linked);
  return linked.events;
}

async function appendFenced(
  tx: Tx,
  statements: Statements,
  append: { runId: string; fence: Fence; events: NewEvent[]; time: string; latest: string },
): Promise<Appended> {
  const { runId, fence, events } = append;
  const row = await statements.runRow.first(tx, { runId });
  if (!row || row.epoch !== fence.epoch) return { type: "fenced" };
  const cleans = events.every((event) => event.type === "run.cleaned");
  if (isEnd(row.status) && !cleans) return { type: "fenced" };
  if (row.last_seq !== fence.seq) return { type: "behind", lastSeq: row.last_seq };
  if (events.length === 0) return { type: "appended", events: [] };
  await refuseUnusable(tx, statements, row, events, append.latest);
  await refuseOverBudget(tx, statements, row, events);
  return { type: "appended", events: await appendTo(tx, statements, row, events, append.time) };
}

interface Claim {
  runId: string;
  epoch: number;
  begin: Begin | undefined;
  time: string;
}

function claimNow(
  { writer, statements }: Parts,
  announce: (events: RunEvent[]) => void,
  asked: Claim,
): ReturnType<typeof claim> {
  return writer.write(
    (tx) => claim(tx, statements, asked),
    (claimed) => announce(claimed?.events ?? []),
  );
}

async function claim(
  tx: Tx,
  statements: Statements,
  claimed: Claim,
): Promise<{ lease: RunLease; events: RunEvent[] } | undefined> {
  const { runId, epoch, begin, time } = claimed;
  const row = await statements.runRow.first(tx, { runId });
  // A later start of the gateway has it: an old worker never takes a run back.
  if (!row || isEnd(row.status) || row.epoch > epoch) return undefined;
  await tx.updateTable("runs").set({ epoch }).where("id", "=", runId).execute();
  const type = row.started_at === null ? "run.started" : "run.resumed";
  const added: NewEvent[] = begin ? [{ type, data: { epoch } }] : [];
  const events = begin ? await appendTo(tx, statements, { ...row, epoch }, added, time) : [];
  const uid = begin?.uids ? await takeFreeUid(tx, runId, begin.uids) : await uidOf(tx, runId);
  const run = await findRun(tx, statements, row.workspace_id, runId);
  assert(run, `Run ${runId} is there in the transaction that claims it`);
  return { lease: { run, uid: uid ?? null, epoch }, events };
}

async function latest(
  db: Kysely<Schema>,
  runId: string,
  type: EventType,
): Promise<RunEvent | undefined> {
  const row = await db
    .selectFrom("events")
    .selectAll()
    .where("run_id", "=", runId)
    .where("type", "=", type)
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return row && eventOf(row);
}
