import type { Clock } from "../base/clock.ts";

/**
 * Wall-clock milliseconds that never go back while the store is open: what was out of time once stays so when the clock
 * is set back.
 */
export function openApprovalTime(clock: Pick<Clock, "now">): () => number {
  let latest = clock.now();
  return () => {
    latest = Math.max(latest, clock.now());
    return latest;
  };
}
