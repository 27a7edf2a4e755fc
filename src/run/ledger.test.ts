import { describe, expect, it } from "vitest";
import { journalOf, provisioned, started, submitted } from "../../test/support/journal-of.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import { Problem } from "../contract/problem.ts";
import type { Appended, Fence, Journal } from "../store/store.ts";
import { openDiskSpace } from "./disk-space.ts";
import { openLedger } from "./ledger.ts";
import { LetGo } from "./let-go.ts";

const cancelled: NewEvent = { type: "run.cancel_requested", data: { requested_by: "tok" } };

/** A journal in memory with its fence, in front of which a test can put answers of its own. */
async function open(events: NewEvent[], answers: ((fence: Fence) => Appended | Error)[] = []) {
  const all = [...events];
  const read = (since: number, limit: number): RunEvent[] =>
    journalOf(all).slice(since, since + limit);
  const journal: Pick<Journal, "read" | "append"> = {
    read: async (_, since, limit) => read(since, limit),
    async append(_, fence, added) {
      const answer = answers.shift()?.(fence);
      if (answer instanceof Error) throw answer;
      if (answer) return answer;
      if (fence.seq !== all.length) return { type: "behind", lastSeq: all.length };
      all.push(...added);
      return { type: "appended", events: read(fence.seq, added.length) };
    },
  };
  const waits: number[] = [];
  const stopping = new AbortController();
  const ledger = await openLedger({
    journal: journal as Journal,
    runId: "run",
    workspaceId: "ws",
    epoch: 7,
    patiently: openDiskSpace({
      runId: "run",
      clock: {
        ...systemClock,
        async sleep(ms, signal) {
          waits.push(ms);
          signal?.throwIfAborted();
        },
      },
      log: openLog("silent"),
      stopping: stopping.signal,
    }),
  });
  return { ledger, all, waits, stopping };
}

const full = () => new Problem("storage_full", "The disk is full");

describe("a ledger", () => {
  it("does not append what somebody else's event has made wrong, and asks anew before each try", async () => {
    const said: NewEvent = {
      type: "message.received",
      data: { from_run_id: null, from: "somebody", text: "Wait" },
    };
    const end = { status: "succeeded", stop_reason: "end_turn" } as const;
    const finishing: NewEvent = { type: "run.finishing", data: end };
    const journal = await open([submitted(), started, provisioned]);
    const { ledger, all } = journal;
    const asked: number[] = [];
    // Said between the last look and the append: the journal is one event further by then.
    all.push(said);
    const isWrong = ({ seq, notes }: typeof ledger.state) => {
      asked.push(seq);
      return notes.length > 0;
    };
    expect(await ledger.appendUnless(isWrong, finishing)).toBe(false);
    expect(asked).toEqual([3, 4]);
    expect(all.at(-1)).toEqual(said);
    expect(await ledger.appendUnless(() => false, finishing)).toBe(true);
    expect(ledger.state.finishing).toMatchObject(end);
  });

  it("folds a journal of any length, page by page", async () => {
    const { ledger } = await open([
      submitted(),
      started,
      ...Array.from({ length: 1234 }, () => cancelled),
    ]);
    expect(ledger.state).toMatchObject({ seq: 1236, cancelRequested: {} });
  });

  it("appends under its epoch after what it has seen, and folds what it appended", async () => {
    const fences: Fence[] = [];
    const { ledger, all } = await open(
      [submitted()],
      [(fence) => void fences.push(fence) as never],
    );
    await ledger.append(started, provisioned);
    expect(fences).toEqual([{ epoch: 7, seq: 1 }]);
    expect(ledger.state).toMatchObject({ seq: 3, provisioned: true });
    expect(all).toHaveLength(3);
  });

  it("takes in what somebody else appended first, and still appends", async () => {
    const { ledger, all } = await open([submitted()]);
    all.push(cancelled);
    await ledger.append(started);
    expect(all.map(({ type }) => type)).toEqual([
      "run.submitted",
      "run.cancel_requested",
      "run.started",
    ]);
    expect(ledger.state).toMatchObject({ seq: 3, cancelRequested: {} });
  });

  it("lets go of a run that another worker holds, with nothing folded", async () => {
    const { ledger } = await open([submitted()], [() => ({ type: "fenced" })]);
    await expect(ledger.append(started)).rejects.toBeInstanceOf(LetGo);
    expect(ledger.state).toMatchObject({ seq: 1 });
  });

  it("writes what it holds with the next append, in one, after what somebody else appended first", async () => {
    const { ledger, all } = await open([submitted()]);
    await ledger.later(started, provisioned);
    expect(all).toHaveLength(1);
    expect(ledger.state).toMatchObject({ seq: 3, provisioned: true });
    all.push(cancelled);
    const end = { status: "cancelled", stop_reason: "cancelled" } as const;
    await ledger.append({ type: "run.finishing", data: end });
    expect(all.map(({ type }) => type)).toEqual([
      "run.submitted",
      "run.cancel_requested",
      "run.started",
      "run.provisioned",
      "run.finishing",
    ]);
    expect(ledger.state).toMatchObject({ seq: 5, cancelRequested: {}, finishing: end });
  });

  it("asks what others appended, holding on to what it holds, and writes it when it is told to", async () => {
    const { ledger, all } = await open([submitted()]);
    await ledger.later(started);
    all.push(cancelled);
    await ledger.refresh();
    expect(ledger.state).toMatchObject({ seq: 3, cancelRequested: {} });
    expect(all).toHaveLength(2);
    await ledger.flush();
    await ledger.flush();
    expect(all.at(-1)).toEqual(started);
    expect(all).toHaveLength(3);
  });

  it("waits longer and longer for disk space, within a bound, and forgets nothing", async () => {
    const answers = Array.from({ length: 8 }, () => full);
    const { ledger, all, waits } = await open([submitted()], answers);
    await ledger.append(started);
    expect(all).toHaveLength(2);
    expect(waits).toHaveLength(8);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_000);
  });

  it("stops waiting for disk space when the gateway stops", async () => {
    const { ledger, stopping } = await open([submitted()], [full, full]);
    stopping.abort();
    await expect(ledger.append(started)).rejects.toBeInstanceOf(LetGo);
    expect(ledger.state.seq).toBe(1);
  });

  it("passes every other failure on at once", async () => {
    const { ledger, waits } = await open([submitted()], [() => new Error("The store broke")]);
    await expect(ledger.append(started)).rejects.toThrow("The store broke");
    expect(waits).toEqual([]);
  });
});
