import type { Clock } from "../base/clock.ts";
import type { BornLimits } from "./open-one.ts";
import type { Place, Surroundings } from "./sandbox.ts";
import type { Spares } from "./spares.ts";

/** Long enough for the answer of the command before to be written down; no model is as quick. */
const afterMs = 5;

/**
 * Opens a run's next sandbox a moment after a command has ended: starting one holds up the main
 * thread, which has the result of that command to see to.
 */
export function openNext(spares: Spares, clock: Clock) {
  const pending = new Map<string, AbortController>();
  const cancel = (runId: string) => {
    pending.get(runId)?.abort();
    pending.delete(runId);
  };
  return {
    soon(place: Place, limits: BornLimits, surroundings: Surroundings): void {
      cancel(place.runId);
      const wait = new AbortController();
      pending.set(place.runId, wait);
      clock.sleep(afterMs, wait.signal).then(
        () => {
          pending.delete(place.runId);
          spares.prepare(place, limits, surroundings);
        },
        // The run has another command already, or has ended.
        () => undefined,
      );
    },
    cancel,
    cancelAll(): void {
      for (const runId of [...pending.keys()]) cancel(runId);
    },
  };
}
