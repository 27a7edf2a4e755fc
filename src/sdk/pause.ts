/**
 * Waits `ms` milliseconds; rejects with the signal's reason when it aborts first. The client runs
 * in a browser too, so it brings its own.
 */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
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
