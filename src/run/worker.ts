import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Store } from "../store/store.ts";
import { openDriveAgain } from "./drive-again.ts";
import { openTreeQueue, type QueuedRun } from "./tree-queue.ts";

/** How a worker stops a run that it drives. */
export interface RunSignals {
  /** Aborts when the run should stop what it is doing and look at its journal. */
  signal: AbortSignal;
  /** Aborts when the run should be let go after the step that it is at. */
  draining: AbortSignal;
  /** Aborts when it must be let go at once, and `signal` with it. */
  stopping: AbortSignal;
  /** Stops what the run is doing. */
  interrupt: (reason: string) => void;
  /** Calls back when an approval of the run was taken back. */
  onRevoked: (callback: (requestId: string) => void) => void;
}

export interface WorkerOptions {
  store: Pick<Store, "runs">;
  runsMax: number;
  runsPerWorkspaceMax: number;
  /**
   * Drives one run until it has ended or must be let go (`LetGo`). What else it throws makes it be driven again, after a
   * while; `isLast`: not any more after this time.
   */
  drive: (
    runId: string,
    workspaceId: string,
    signals: RunSignals,
    isLast: boolean,
  ) => Promise<void>;
  clock: Clock;
  log: Log;
}

/**
 * Admits runs up to the caps of the gateway and of each workspace, in the order of `TreeQueue`, and drives each. Nothing is
 * polled: a submission, an end and a cancellation are what moves it. The queue itself is in the store: this list of ids is
 * read from it at the start (I3).
 */
export interface Worker {
  /** Takes over every run that has not ended. */
  start(): Promise<void>;
  /** There is something to do for the run: it is new, or the answer that it waited for is there. */
  enqueue(run: QueuedRun): void;
  /** The run was cancelled or stopped: it is interrupted, or, when it waits, driven to its end without waiting for a place. */
  cancelled(run: QueuedRun): void;
  /** An approval was taken back: every call that runs by it loses its network. */
  revoked(approvalId: string): void;
  running(): number;
  /** Takes no more runs, gives those at work `drainMs` to reach the end of their step, then stops them. */
  close(drainMs: number): Promise<void>;
}

interface AtWork {
  /** It was given something to do while it was at work, perhaps after it had looked for the last time. */
  again: boolean;
  interrupt: (reason: string) => void;
  stop: (reason: string) => void;
  /** Takes the network from the call that runs by this approval. */
  cut: (requestId: string) => void;
  done: Promise<void>;
}

/** Cancelled runs that are driven to their end beyond the cap: it takes them no more than a few appends. */
const endingMax = 16;

export function openWorker(options: WorkerOptions): Worker {
  const { store, runsMax, runsPerWorkspaceMax, clock, log } = options;
  const queue = openTreeQueue();
  const atWork = new Map<string, AtWork>();
  const perWorkspace = new Map<string, number>();
  const draining = new AbortController();
  const { signal } = draining;
  const driveAgain = openDriveAgain({
    ...{ clock, log, draining: signal },
    again: (run) => enqueue(run),
  });

  const begin = (run: QueuedRun) => {
    const { runId, workspaceId, rootRunId } = run;
    queue.delete(run);
    queue.began(rootRunId);
    perWorkspace.set(workspaceId, (perWorkspace.get(workspaceId) ?? 0) + 1);
    const { signals, ...strings } = openSignals(signal);
    const done = options
      .drive(runId, workspaceId, signals, driveAgain.isLast(runId))
      .then(
        () => driveAgain.well(runId),
        (error: unknown) => driveAgain.failed(run, error),
      )
      .finally(() => {
        const again = atWork.get(runId)?.again;
        atWork.delete(runId);
        queue.ended(rootRunId);
        if (again) queue.add(run);
        perWorkspace.set(workspaceId, (perWorkspace.get(workspaceId) ?? 1) - 1);
        admit();
      });
    atWork.set(runId, { again: false, done, ...strings });
  };

  const isFull = (workspaceId: string) =>
    (perWorkspace.get(workspaceId) ?? 0) >= runsPerWorkspaceMax;

  const admit = () => {
    while (!draining.signal.aborted && atWork.size < runsMax) {
      const next = queue.next(isFull);
      if (next === undefined) return;
      begin(next);
    }
  };

  const enqueue = (run: QueuedRun) => {
    const busy = atWork.get(run.runId);
    if (busy) {
      busy.again = true;
      return;
    }
    queue.add(run);
    admit();
  };

  return {
    async start() {
      for (const { status, ...run } of await store.runs.unfinished()) {
        if (status === "waiting") continue;
        // The door is open already: a run that was submitted or cancelled meanwhile has a worker.
        if (!atWork.has(run.runId)) queue.add(run);
      }
      admit();
    },
    enqueue,
    cancelled(run) {
      const busy = atWork.get(run.runId);
      if (busy) {
        busy.again = true;
        busy.interrupt("The run was cancelled");
      } else if (draining.signal.aborted) return;
      else if (atWork.size < runsMax + endingMax) begin(run);
      else queue.add(run);
    },
    revoked(approvalId) {
      for (const run of atWork.values()) run.cut(approvalId);
    },
    running: () => atWork.size,
    async close(drainMs) {
      draining.abort(new Error(stopping));
      await drain([...atWork.values()], clock, drainMs);
    },
  };
}

const stopping = "The gateway is stopping";

/** Gives runs the time to reach the end of their step, then stops those that have not. */
async function drain(atWork: readonly AtWork[], clock: Clock, drainMs: number): Promise<void> {
  const all = Promise.allSettled(atWork.map(({ done }) => done));
  const waited = new AbortController();
  const late = clock.sleep(drainMs, waited.signal).catch(() => undefined);
  await Promise.race([all, late]);
  waited.abort();
  for (const run of atWork) run.stop(stopping);
  await all;
}

/** What a run that is driven listens to, and the ends of it that the worker holds. */
function openSignals(
  draining: AbortSignal,
): { signals: RunSignals } & Pick<AtWork, "interrupt" | "stop" | "cut"> {
  const stopping = new AbortController();
  const work = new AbortController();
  stopping.signal.addEventListener("abort", () => work.abort(stopping.signal.reason));
  const interrupt = (reason: string) => work.abort(new Error(reason));
  const revocations = new Set<(requestId: string) => void>();
  return {
    signals: {
      signal: work.signal,
      draining,
      stopping: stopping.signal,
      interrupt,
      onRevoked: (callback) => void revocations.add(callback),
    },
    interrupt,
    stop: (reason) => stopping.abort(new Error(reason)),
    cut(requestId) {
      for (const callback of revocations) callback(requestId);
    },
  };
}
