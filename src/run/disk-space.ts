import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Problem } from "../contract/problem.ts";
import { LetGo } from "./let-go.ts";

const waitFirstMs = 500;
const waitMaxMs = 15_000;

/** Whether an error says that the disk has no room, however it was met: as a problem, or as the kernel's own word. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof Problem) return error.code === "storage_full";
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Whether more is asked of the database than it can take now, or a program of the operator's has locked it. */
function isDatabaseBusy(error: unknown): boolean {
  return error instanceof Problem && error.code === "too_many_requests";
}

/** Does what writes something down; see `openDiskSpace`. */
export type Patiently = <T>(write: () => Promise<T>) => Promise<T>;

/**
 * While the disk is full or the database busy, what was done must not be forgotten: the write is tried again until there is space, or until
 * the gateway wants the run to be let go (`LetGo`).
 */
export function openDiskSpace(options: {
  runId: string;
  clock: Clock;
  log: Log;
  stopping: AbortSignal;
}): Patiently {
  const { runId, clock, log, stopping } = options;
  return async (write) => {
    for (let waitMs = waitFirstMs; ; waitMs = Math.min(waitMs * 2, waitMaxMs)) {
      try {
        return await write();
      } catch (error) {
        const isFull = isDiskFull(error);
        if (!isFull && !isDatabaseBusy(error)) throw error;
        const what = isFull ? "run.storage_full" : "run.database_busy";
        log.error({ run: runId, wait_ms: waitMs }, what);
        await clock.sleep(waitMs, stopping).catch(() => {
          throw new LetGo("The gateway is stopping", { cause: error });
        });
      }
    }
  };
}
