import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Store } from "../store/store.ts";
import { LetGo } from "./let-go.ts";

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
  /** Drives one run until it has ended or must be let go (`LetGo`). */
  drive: (runId: string, workspaceId: string, signals: RunSignals) => Promise<void>;
  clock: Clock;
  log: Log;
}

/**
 * Admits runs, oldest first, up to the caps of the gateway and of each workspace, and drives each. Nothing is polled:
 * a submission, an end and a cancellation are what moves it. The queue itself is in the store: this list of ids is
 * read from it at the start (I3).
 */
export interface Worker {
  /** Takes over every run that has not ended. */
  start(): Promise<void>;
  /** There is something to do for the run: it is new, or the answer that it waited for is there. */
  enqueue(runId: string, workspaceId: string): void;
  /** The run was cancelled or stopped: it is interrupted, or, when it waits, driven to its end without waiting for a place. */
  cancelled(runId: string, workspaceId: string): void;
  /** An approval was taken back: every call that runs by it loses its network. */
  revoked(approvalId: string): void;
  running(): number;
  /** Takes no more runs, gives those at work `drainMs` to reach the end of their step, then stops them. */
  close(drainMs: number): Promise<void>;
}

interface AtWork {
  workspaceId: string;
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
  const waiting = new Map<string, string>();
  const atWork = new Map<string, AtWork>();
  const perWorkspace = new Map<string, number>();
  const draining = new AbortController();

  const begin = (runId: string, workspaceId: string) => {
    waiting.delete(runId);
    perWorkspace.set(workspaceId, (perWorkspace.get(workspaceId) ?? 0) + 1);
    const { signals, ...strings } = openSignals(draining.signal);
    const done = options
      .drive(runId, workspaceId, signals)
      .catch((error: unknown) => {
        if (error instanceof LetGo) log.info({ run: runId, reason: error.message }, "run.let_go");
        else log.error({ run: runId, err: error }, "run.drive_failed");
      })
      .finally(() => {
        const again = atWork.get(runId)?.again;
        atWork.delete(runId);
        if (again) waiting.set(runId, workspaceId);
        perWorkspace.set(workspaceId, (perWorkspace.get(workspaceId) ?? 1) - 1);
        admit();
      });
    atWork.set(runId, { workspaceId, again: false, done, ...strings });
  };

  const admit = () => {
    if (draining.signal.aborted) return;
    for (const [runId, workspaceId] of waiting) {
      if (atWork.size >= runsMax) return;
      if ((perWorkspace.get(workspaceId) ?? 0) >= runsPerWorkspaceMax) continue;
      begin(runId, workspaceId);
    }
  };

  return {
    async start() {
      for (const { runId, workspaceId, status } of await store.runs.unfinished()) {
        if (status === "waiting") continue;
        // The door is open already: a run that was submitted or cancelled meanwhile has a worker.
        if (!atWork.has(runId)) waiting.set(runId, workspaceId);
      }
      admit();
    },
    enqueue(runId, workspaceId) {
      const run = atWork.get(runId);
      if (run) {
        run.again = true;
        return;
      }
      waiting.set(runId, workspaceId);
      admit();
    },
    cancelled(runId, workspaceId) {
      const run = atWork.get(runId);
      if (run) {
        run.again = true;
        run.interrupt("The run was cancelled");
      } else if (draining.signal.aborted) return;
      else if (atWork.size < runsMax + endingMax) begin(runId, workspaceId);
      else waiting.set(runId, workspaceId);
    },
    revoked(approvalId) {
      for (const run of atWork.values()) run.cut(approvalId);
    },
    running: () => atWork.size,
    async close(drainMs) {
      draining.abort(new Error("The gateway is stopping"));
      const all = Promise.allSettled([...atWork.values()].map(({ done }) => done));
      const waited = new AbortController();
      const late = clock.sleep(drainMs, waited.signal).catch(() => undefined);
      await Promise.race([all, late]);
      waited.abort();
      for (const run of atWork.values()) run.stop("The gateway is stopping");
      await all;
    },
  };
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
