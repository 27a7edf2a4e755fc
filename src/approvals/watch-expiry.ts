import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { ApprovalRows, Resumed } from "../store/store.ts";

const day = 24 * 60 * 60_000;
/** After a failure, and when the wall clock was set back behind a time that has passed. */
const pauseMs = 1_000;

/** Sleeps until the next request runs out, and then says so. */
export interface ExpiryWatch {
  /** A new request or answer may run out before what is slept for. */
  wake(): void;
  close(): Promise<void>;
}

/**
 * Starts the watch. It sleeps for a day at most, so that it notices a clock that was set forward; what has run out
 * meanwhile is refused by the store anyhow.
 */
export function watchExpiry(options: {
  rows: Pick<ApprovalRows, "expire" | "nextExpiry" | "now">;
  clock: Pick<Clock, "sleep">;
  log: Log;
  onResumed: (runs: Resumed[]) => void;
}): ExpiryWatch {
  const { rows, clock, log, onResumed } = options;
  let closed = false;
  let sleeping = new AbortController();

  async function sleepUntilDue(): Promise<void> {
    // Made before the question, so that a request that comes after the answer wakes this sleep.
    sleeping = new AbortController();
    const { signal } = sleeping;
    const due = await rows.nextExpiry();
    const ms = due === undefined ? day : Math.max(pauseMs, Math.min(day, due - rows.now()));
    if (!closed) await sleep(ms, signal);
  }

  async function sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async function watch(): Promise<void> {
    while (!closed) {
      try {
        await sleepUntilDue();
        if (closed) return;
        const resumed = await rows.expire();
        if (resumed.length > 0) onResumed(resumed);
      } catch (error) {
        if (closed) return;
        log.error({ err: error }, "approvals.expire_failed");
        await sleep(pauseMs, sleeping.signal);
      }
    }
  }

  const done = watch();
  return {
    wake: () => sleeping.abort(),
    async close() {
      closed = true;
      sleeping.abort();
      await done;
    },
  };
}
