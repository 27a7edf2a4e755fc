import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  callFinished,
  journalOf,
  replied,
  started,
  submitted,
} from "../../test/support/journal-of.ts";
import type { LiveEvent, NewEvent, RunEvent } from "../contract/event.ts";
import type { Run } from "../contract/run.ts";
import type { Journal } from "../store/store.ts";
import { follow } from "./follow.ts";
import { openLive } from "./live.ts";
import { shareReads } from "./share-reads.ts";

const finished: NewEvent = {
  type: "run.finished",
  data: { status: "succeeded", stop_reason: "end_turn", cleanup_status: "succeeded" },
};
const delta = (turn: number, offset: number): LiveEvent => ({
  type: "model.delta",
  data: { turn, attempt: 1, offset, text: "x" },
});

/** A journal in memory that wakes its followers as the real one does: after the append, at once. */
function memoryJournal(events: readonly RunEvent[]) {
  let committed: RunEvent[] = [];
  const followers = new Set<(lastSeq: number) => void>();
  const journal: Pick<Journal, "read" | "onAppend"> = {
    read: async (_, since, limit) => committed.filter(({ seq }) => seq > since).slice(0, limit),
    onAppend(_, callback) {
      followers.add(callback);
      return () => void followers.delete(callback);
    },
  };
  return {
    journal: { onAppend: journal.onAppend, read: shareReads(journal) },
    followers: () => followers.size,
    append() {
      const next = events[committed.length];
      if (next === undefined) return;
      committed.push(next);
      for (const follower of followers) follower(next.seq);
    },
    lose() {
      committed = [];
    },
    last: () => committed.length,
  };
}

function open(events: readonly NewEvent[]) {
  const history = journalOf(events);
  const runId = history[0]?.runId ?? "";
  const memory = memoryJournal(history);
  const live = openLive();
  const end = new AbortController();
  const listen = (since = 0, status: Run["status"] = "running") =>
    follow(
      memory.journal,
      live,
      { id: runId, status, lastSeq: memory.last() } as Run,
      since,
      end.signal,
    );
  return { ...memory, history, end, listen, say: (event: LiveEvent) => live.publish(runId, event) };
}

const seqs = (events: readonly (RunEvent | LiveEvent)[]) =>
  events.flatMap((event) => ("seq" in event ? [event.seq] : []));

describe("follow()", () => {
  it("tells history and what happens without a gap, and nothing of a turn after its reply", async () => {
    const turns = 5;
    const events: NewEvent[] = [submitted(), started];
    for (let turn = 1; turn <= turns; turn++) events.push(replied(turn, []));
    events.push(finished);
    // What the gateway does next: append an event, say something live of the turn it is at, or let the reader read.
    const step = fc.constantFrom("append", "say", "read", "read");
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.nat(3), async (steps, since) => {
        const room = open(events);
        for (let i = 0; i < since; i++) room.append();
        const stream = room.listen(since);
        const seen: (RunEvent | LiveEvent)[] = [];
        const reading = (async () => {
          for await (const event of stream) seen.push(event);
        })();
        let offset = 0;
        for (const what of steps) {
          if (what === "append") room.append();
          if (what === "say") room.say(delta(Math.max(1, room.last() - 1), offset++));
          if (what === "read") await new Promise((resolve) => setImmediate(resolve));
        }
        while (room.last() < events.length) room.append();
        await reading;
        expect(seqs(seen)).toEqual(room.history.map(({ seq }) => seq).slice(since));
        let replies = Math.max(0, since - 2);
        let lastOffset = -1;
        for (const event of seen) {
          if (event.type === "turn.replied") replies = event.data.turn;
          if (event.type !== "model.delta") continue;
          expect(event.data.turn).toBeGreaterThan(replies);
          expect(event.data.offset).toBeGreaterThan(lastOffset);
          lastOffset = event.data.offset;
        }
        expect(room.followers()).toBe(0);
      }),
    );
  });

  it("drops the output of a call once its result has come", async () => {
    const room = open([
      submitted(),
      started,
      replied(1, [{ callId: "a" }]),
      callFinished("a"),
      finished,
    ]);
    for (let i = 0; i < 3; i++) room.append();
    const stream = room.listen();
    const seen = [await stream.next(), await stream.next()].map(({ value }) => value);
    room.say({
      type: "call.output",
      data: { call_id: "a", stream: "stdout", offset: 0, text: "late" },
    });
    room.append();
    room.append();
    for await (const event of stream) seen.push(event);
    expect(seen.map((event) => event?.type)).not.toContain("call.output");
    expect(seqs(seen as RunEvent[])).toEqual([1, 2, 3, 4, 5]);
  });

  it("lets a slow reader miss live events, never durable ones, in bounded memory", async () => {
    const room = open([submitted(), started, replied(1, []), finished]);
    room.append();
    room.append();
    const stream = room.listen();
    const seen = [(await stream.next()).value];
    for (let offset = 0; offset < 5000; offset++) room.say(delta(1, offset));
    const reading = (async () => {
      for await (const event of stream) {
        seen.push(event);
        if (seen.length === 300) {
          room.append();
          room.append();
        }
      }
    })();
    await reading;
    const offsets = seen.flatMap((event) =>
      event?.type === "model.delta" ? [event.data.offset] : [],
    );
    // The oldest were dropped; of the newest, those that came before the reply.
    expect(offsets[0]).toBe(5000 - 512);
    expect(offsets.length).toBeLessThanOrEqual(512);
    expect(seqs(seen as RunEvent[])).toEqual([1, 2, 3, 4]);
  });

  it("ends when the reader goes, when the run has ended already, and when it was deleted", async () => {
    const gone = open([submitted(), started]);
    gone.append();
    const stream = gone.listen();
    await stream.next();
    const waiting = stream.next();
    gone.end.abort();
    expect((await waiting).done).toBe(true);
    expect(gone.followers()).toBe(0);

    const ended = open([submitted(), finished]);
    ended.append();
    ended.append();
    expect((await ended.listen(2, "succeeded").next()).done).toBe(true);
    expect(seqs(await Array.fromAsync(ended.listen(1, "succeeded")))).toEqual([2]);

    const deleted = open([submitted(), started, finished]);
    deleted.append();
    const slow = deleted.listen();
    await slow.next();
    deleted.append();
    deleted.append();
    deleted.lose();
    expect((await slow.next()).done).toBe(true);
  });
});
