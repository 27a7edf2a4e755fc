import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";

const day = 24 * 60 * 60_000;
/** After a failure, and when the wall clock was set back behind a time that has passed. */
const pauseMs = 1_000;

/** Sleeps until the next question runs out, and then says so. */
export interface ExpiryWatch {
  /** A new question or answer may run out before what is slept for. */
  wake(): void;
  close(): Promise<void>;
}

/** What runs out: when the next does, and how to let it. */
export interface Expiring<Expired> {
  /** Wall-clock milliseconds that never go back. */
  now(): number;
  nextExpiry(): Promise<number | undefined>;
  expire(): Promise<Expired[]>;
}

/**
 * Starts the watch. It sleeps for a day at most, so that it notices a clock that was set forward; what has run out
 * meanwhile is refused by the store anyhow.
 */
export function watchExpiry<Expired>(options: {
  rows: Expiring<Expired>;
  clock: Pick<Clock, "sleep">;
  log: Log;
  onExpired: (expired: Expired[]) => void | Promise<void>;
}): ExpiryWatch {
  const { rows, clock, log, onExpired } = options;
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
        const expired = await rows.expire();
        if (expired.length > 0) await onExpired(expired);
      } catch (error) {
        if (closed) return;
        log.error({ err: error }, "expiry.watch_failed");
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
