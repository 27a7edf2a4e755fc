import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Resumed, Waits } from "../store/store.ts";

const day = 24 * 60 * 60_000;
/** After a failure, and when the wall clock was set back behind a time that has passed. */
const pauseMs = 1_000;
/** The writer makes one transaction of those that come together. */
const atOnce = 100;

/** Lets runs go on when what they wait for is there, or the time that they gave it is over. */
export interface WaitWatch {
  /** Settles what a crash has left, and watches the times from then on. */
  start(): Promise<void>;
  /** A run was let go, or has ended: it or the one that started it may go on. */
  look(runIds: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export function openWaitWatch(options: {
  waits: Omit<Waits, "on">;
  clock: Pick<Clock, "sleep" | "now">;
  log: Log;
  onResumed: (run: Resumed) => void;
}): WaitWatch {
  const { waits, clock, log, onResumed } = options;
  let closed = false;
  let sleeping = new AbortController();
  let done: Promise<void> = Promise.resolve();

  /** Could not be looked at: they are looked at again, and keep nobody else from it. */
  const unsettled = new Set<string>();

  const settle = async (runId: string) => {
    try {
      const resumed = await waits.settle(runId);
      unsettled.delete(runId);
      if (resumed) onResumed(resumed);
    } catch (error) {
      unsettled.add(runId);
      log.error({ run: runId, err: error }, "waits.settle_failed");
    }
  };
  const look = async (runIds: readonly string[]) => {
    for (let at = 0; at < runIds.length; at += atOnce) {
      await Promise.all(runIds.slice(at, at + atOnce).map(settle));
    }
  };

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
        // Made before the question, so that a wait that starts after the answer wakes this sleep.
        sleeping = new AbortController();
        const { signal } = sleeping;
        const until = await waits.nextUntil();
        const ms = until === undefined ? day : Math.max(0, Math.min(day, until - clock.now()));
        const isRepeat = unsettled.size > 0;
        if (!closed && ms > 0) await sleep(isRepeat ? pauseMs : ms, signal);
        if (closed) return;
        const due = await waits.due();
        await look([...new Set([...due, ...unsettled])]);
        if (due.length === 0 && ms === 0) await sleep(pauseMs, signal);
      } catch (error) {
        if (closed) return;
        log.error({ err: error }, "waits.watch_failed");
        await sleep(pauseMs, sleeping.signal);
      }
    }
  }

  return {
    async start() {
      await look(await waits.all());
      done = watch();
    },
    async look(runIds) {
      await look(runIds);
      sleeping.abort();
    },
    async close() {
      closed = true;
      sleeping.abort();
      await done;
    },
  };
}
