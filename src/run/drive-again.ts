import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { LetGo } from "./let-go.ts";
import type { QueuedRun } from "./tree-queue.ts";

/** What becomes of runs that could not be driven: they must not stay where they are until the gateway is started anew. */
export interface DriveAgain {
  /** If it fails this time, too, it is not driven again. */
  isLast(runId: string): boolean;
  well(runId: string): void;
  failed(run: QueuedRun, error: unknown): void;
}

export function openDriveAgain(options: {
  clock: Pick<Clock, "sleep">;
  log: Log;
  draining: AbortSignal;
  again: (run: QueuedRun) => void;
}): DriveAgain {
  const { clock, log, draining, again } = options;
  /** How often, in a row. */
  const failures = new Map<string, number>();
  return {
    isLast: (runId) => (failures.get(runId) ?? 0) + 1 >= limits.driveAttempts,
    well: (runId) => void failures.delete(runId),
    failed(run, error) {
      const { runId } = run;
      if (error instanceof LetGo) {
        log.info({ run: runId, reason: error.message }, "run.let_go");
        failures.delete(runId);
        return;
      }
      const failed = (failures.get(runId) ?? 0) + 1;
      log.error({ run: runId, err: error, attempt: failed }, "run.drive_failed");
      failures.delete(runId);
      if (failed >= limits.driveAttempts || draining.aborted) return;
      failures.set(runId, failed);
      const grown = limits.driveBackoffFirstMs * 2 ** (failed - 1);
      clock.sleep(Math.min(limits.driveBackoffMaxMs, grown), draining).then(
        () => again(run),
        // The gateway stops, and the next one takes the run over.
        () => undefined,
      );
    },
  };
}
