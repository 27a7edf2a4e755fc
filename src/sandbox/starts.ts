import { availableParallelism } from "node:os";
import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";

/**
 * Who may start a sandbox now. A start keeps a core busy for milliseconds, so beyond two for each
 * core all of them only take longer (I9).
 */
export interface Starts {
  /**
   * Waits for a turn and resolves with what gives it back, which may be called twice. The runs take
   * turns, however many starts one of them asks for. Throws `too_many_requests` when too many wait
   * already, and the signal's reason when it aborts first.
   */
  take(runId: string, signal: AbortSignal): Promise<() => void>;
  /** A turn if there is one now, which nobody waits for; else undefined. */
  takeIfIdle(): (() => void) | undefined;
}

export function openStarts(
  atOnce = 2 * availableParallelism(),
  waitingMax: number = limits.sandboxStartsWaiting,
): Starts {
  /** In the order in which the runs get their turn; a run that had it goes to the end. */
  const queues = new Map<string, Set<() => void>>();
  let waiting = 0;
  let going = 0;

  function ticket(): () => void {
    going += 1;
    let isOut = true;
    return () => {
      if (!isOut) return;
      isOut = false;
      going -= 1;
      admit();
    };
  }

  function remove(runId: string, enter: () => void): void {
    const queue = queues.get(runId);
    if (!queue?.delete(enter)) return;
    waiting -= 1;
    queues.delete(runId);
    if (queue.size > 0) queues.set(runId, queue);
  }

  function admit(): void {
    while (going < atOnce) {
      const [runId, queue] = queues.entries().next().value ?? [];
      const enter = queue?.values().next().value;
      if (runId === undefined || enter === undefined) return;
      remove(runId, enter);
      enter();
    }
  }

  return {
    async take(runId, signal) {
      signal.throwIfAborted();
      if (going < atOnce) return ticket();
      if (waiting >= waitingMax) {
        throw new Problem(
          "too_many_requests",
          `Cannot start a sandbox: ${waiting} starts are waiting, expected fewer than ${waitingMax}`,
        );
      }
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          remove(runId, enter);
          reject(signal.reason);
        };
        const enter = () => {
          signal.removeEventListener("abort", onAbort);
          resolve(ticket());
        };
        signal.addEventListener("abort", onAbort, { once: true });
        const queue = queues.get(runId) ?? new Set();
        queues.set(runId, queue.add(enter));
        waiting += 1;
      });
    },
    takeIfIdle: () => (going < atOnce ? ticket() : undefined),
  };
}
