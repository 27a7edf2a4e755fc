import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { openLog } from "../base/log.ts";
import { LetGo } from "./let-go.ts";
import { openWorker, type RunSignals } from "./worker.ts";

interface Waiting {
  runId: string;
  workspaceId: string;
}

/** A worker whose runs end when the test says so. */
function open(caps: { runsMax?: number; runsPerWorkspaceMax?: number; pauses?: true } = {}) {
  const begun: Waiting[] = [];
  const last: boolean[] = [];
  const pauses: { ms: number; over: () => void }[] = [];
  const atWork = new Map<
    string,
    { signals: RunSignals; workspaceId: string; end: (error?: Error) => void }
  >();
  let unfinished = async (): Promise<Waiting[]> => [];
  const worker = openWorker({
    store: { runs: { unfinished: () => unfinished() } } as never,
    runsMax: caps.runsMax ?? 100,
    runsPerWorkspaceMax: caps.runsPerWorkspaceMax ?? 100,
    drive: (runId, workspaceId, signals, isLast) => {
      expect(atWork.has(runId), `${runId} is driven once at a time`).toBe(false);
      begun.push({ runId, workspaceId });
      last.push(isLast);
      return new Promise<void>((resolve, reject) => {
        const end = (error?: Error) => {
          atWork.delete(runId);
          if (error) reject(error);
          else resolve();
        };
        atWork.set(runId, { signals, workspaceId, end });
      });
    },
    clock: {
      ...systemClock,
      sleep: (ms, signal) =>
        caps.pauses
          ? new Promise((over) => pauses.push({ ms, over }))
          : systemClock.sleep(ms, signal),
    },
    log: openLog("silent"),
  });
  return {
    ...{ worker, begun, atWork, last, pauses },
    inStore: (answer: () => Promise<Waiting[]>) => {
      unfinished = answer;
    },
  };
}

const ofWs = (runId: string) => ({ runId, workspaceId: "ws", rootRunId: runId });

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("a worker", () => {
  it("keeps both caps, starts each run once, and those of a workspace in their order", async () => {
    const step = fc.oneof(
      fc.record({ submit: fc.constantFrom("a", "b", "c") }),
      fc.record({ end: fc.nat(10), how: fc.constantFrom("well", "badly", "let go") }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, runsMax, runsPerWorkspaceMax) => {
          const { worker, begun, atWork } = open({ runsMax, runsPerWorkspaceMax });
          const submitted: Waiting[] = [];
          const endOne = async (index: number, how = "well") => {
            const one = [...atWork.values()][index % Math.max(1, atWork.size)];
            if (how === "well") one?.end();
            else one?.end(how === "badly" ? new Error("A defect") : new LetGo("Held elsewhere"));
            await settled();
          };
          for (const what of steps) {
            if ("submit" in what) {
              const run = { runId: `run-${100 + submitted.length}`, workspaceId: what.submit };
              submitted.push(run);
              worker.enqueue({ ...run, rootRunId: run.runId });
            } else await endOne(what.end, what.how);
            expect(atWork.size).toBeLessThanOrEqual(runsMax);
            expect(worker.running()).toBe(atWork.size);
            for (const workspace of ["a", "b", "c"]) {
              const own = [...atWork.values()].filter((run) => run.workspaceId === workspace);
              expect(own.length).toBeLessThanOrEqual(runsPerWorkspaceMax);
            }
          }
          while (atWork.size > 0) await endOne(0);
          expect(begun).toHaveLength(submitted.length);
          for (const workspace of ["a", "b", "c"]) {
            const of = (runs: Waiting[]) => runs.filter((run) => run.workspaceId === workspace);
            expect(of(begun)).toEqual(of(submitted));
          }
        },
      ),
    );
  });

  it("drives a run once although it came in by the door while the start was reading the store", async () => {
    const { worker, begun, inStore, atWork } = open();
    const read = Promise.withResolvers<Waiting[]>();
    inStore(() => read.promise);
    const starting = worker.start();
    worker.enqueue(ofWs("new"));
    worker.cancelled(ofWs("old"));
    const rows = ["old", "older", "new"].map((runId) => ({ runId, workspaceId: "ws" }));
    read.resolve(rows);
    await starting;
    expect(begun.map(({ runId }) => runId).sort()).toEqual(["new", "old", "older"]);
    for (const { end } of [...atWork.values()]) end();
    await settled();
    expect(begun).toHaveLength(3);
  });

  it("interrupts a run that was cancelled at work, and drives one that waits without a place", async () => {
    const { worker, atWork } = open({ runsMax: 1 });
    worker.enqueue(ofWs("works"));
    worker.enqueue(ofWs("waits"));
    expect([...atWork.keys()]).toEqual(["works"]);
    worker.cancelled(ofWs("waits"));
    expect([...atWork.keys()]).toEqual(["works", "waits"]);
    expect(atWork.get("works")?.signals.signal.aborted).toBe(false);
    worker.cancelled(ofWs("works"));
    expect(atWork.get("works")?.signals.signal.aborted).toBe(true);
    expect(atWork.get("works")?.signals.stopping.aborted).toBe(false);
  });

  it("drives a run again that it could not drive, at growing distances, and says when for the last time", async () => {
    const { worker, atWork, last, pauses } = open({ pauses: true });
    worker.enqueue(ofWs("run"));
    for (let time = 1; time < limits.driveAttempts; time++) {
      atWork.get("run")?.end(new Error("A defect"));
      await settled();
      expect(atWork.size).toBe(0);
      pauses.at(-1)?.over();
      await settled();
    }
    expect(last).toEqual([false, false, false, false, false, true]);
    const grown = pauses.map(({ ms }) => ms);
    expect(grown).toEqual([...grown].sort((a, b) => a - b));
    atWork.get("run")?.end(new Error("A defect"));
    await settled();
    expect(pauses).toHaveLength(limits.driveAttempts - 1);
    // What somebody else has for it to do begins anew.
    worker.enqueue(ofWs("run"));
    expect(last.at(-1)).toBe(false);
  });

  it("drains: it takes nothing more, lets steps end, and stops what is late", async () => {
    const { worker, atWork, begun } = open({ runsMax: 2 });
    for (const runId of ["quick", "slow", "waiting"]) worker.enqueue(ofWs(runId));
    const closing = worker.close(20);
    const { quick, slow } = Object.fromEntries(atWork) as Record<
      string,
      { signals: RunSignals; end: () => void }
    >;
    expect(quick?.signals.draining.aborted).toBe(true);
    expect(quick?.signals.signal.aborted).toBe(false);
    quick?.end();
    const stopped = new Promise<void>((resolve) => {
      slow?.signals.stopping.addEventListener("abort", () => resolve());
    });
    await stopped;
    expect(slow?.signals.signal.aborted).toBe(true);
    slow?.end();
    await closing;
    worker.enqueue(ofWs("late"));
    worker.cancelled(ofWs("waiting"));
    expect(begun.map(({ runId }) => runId)).toEqual(["quick", "slow"]);
  });
});
