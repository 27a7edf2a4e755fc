/**
 * Waits `ms` milliseconds; rejects with a signal's reason when one aborts first. The client runs
 * in a browser too, so it brings its own.
 */
export function pause(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = () => {
      leave();
      reject(signals.find((signal) => signal?.aborted)?.reason);
    };
    const timer = setTimeout(() => {
      leave();
      resolve();
    }, ms);
    if (signals.some((signal) => signal?.aborted)) return onAbort();
    for (const signal of signals) signal?.addEventListener("abort", onAbort, { once: true });
  });
}

const maxMs = 10_000;

/**
 * How long to wait before try `attempt` (1, 2, 3 …), in milliseconds: doubling from `firstMs` up to
 * ten seconds, with jitter, so that the clients of a gateway that restarts do not all come back in
 * the same instant.
 */
export function backOff(attempt: number, firstMs: number): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 20));
  return ceiling / 2 + Math.random() * (ceiling / 2);
}
