import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Problem } from "../contract/problem.ts";
import { LetGo } from "./let-go.ts";

const waitFirstMs = 500;
const waitMaxMs = 15_000;

/** Does what writes something down; see `openDiskSpace`. */
export type Patiently = <T>(write: () => Promise<T>) => Promise<T>;

/**
 * While the disk is full, what was done must not be forgotten: the write is tried again until there is space, or until
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
        if (!(error instanceof Problem && error.code === "storage_full")) throw error;
        log.error({ run: runId, wait_ms: waitMs }, "run.storage_full");
        await clock.sleep(waitMs, stopping).catch(() => {
          throw new LetGo("The gateway is stopping", { cause: error });
        });
      }
    }
  };
}
