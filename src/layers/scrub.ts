import type { Clock } from "../base/clock.ts";
import type { Pause, Verdict } from "./guard.ts";

export interface Scrubber {
  list: () => string[];
  verify: (digest: string, signal: AbortSignal, pause: Pause) => Promise<Verdict>;
  clock: Clock;
}

/** A disk that rots does so over months. */
const roundEveryMs = 24 * 60 * 60_000;
/** Reading takes one part of the time, resting the others. */
const restShare = 19;

/**
 * Reads every layer once a day, slowly, until the signal aborts; resolves then. `onDamaged` is told of each that is not
 * what it was. One that is removed meanwhile is none of them.
 */
export async function scrubLayers(
  { list, verify, clock }: Scrubber,
  signal: AbortSignal,
  onDamaged: (digest: string, reason: string) => void,
): Promise<void> {
  const rest = (tookMs: number) => clock.sleep(tookMs * restShare, signal);
  try {
    for (;;) {
      for (const digest of list()) {
        signal.throwIfAborted();
        const verdict = await verify(digest, signal, rest);
        if (!verdict.ok && list().includes(digest)) onDamaged(digest, verdict.reason);
      }
      await clock.sleep(roundEveryMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
