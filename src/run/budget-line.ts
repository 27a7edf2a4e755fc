import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";

/** Where runs wait for what other runs of their tree have reserved: in the order of their coming, and not for ever. */
export interface BudgetLine {
  /**
   * Asks until there is an answer: at once, after each settlement in the tree, and for the last time when the time is
   * over. `ask` gives undefined to go on waiting, which the last one must not. Rejects with the signal's reason.
   */
  enter<T>(
    rootRunId: string,
    ask: (isLast: boolean) => Promise<T | undefined>,
    signal: AbortSignal,
  ): Promise<T>;
  /** Something of the tree was settled or given back: whoever is first in its line asks again. */
  moved(rootRunId: string): void;
}

interface Line {
  waiting: number;
  /** Resolves when whoever came last is served. */
  tail: Promise<void>;
  /** Replaced whenever something moves. */
  news: PromiseWithResolvers<void>;
}

/** Held in memory: a process that dies takes those who wait with it, and they ask anew. */
export function openBudgetLine(
  clock: Pick<Clock, "sleep">,
  waitMs: number = limits.budgetWaitMs,
): BudgetLine {
  const lines = new Map<string, Line>();

  const lineOf = (rootRunId: string): Line => {
    const line = lines.get(rootRunId) ?? {
      ...{ waiting: 0, tail: Promise.resolve(), news: Promise.withResolvers<void>() },
    };
    lines.set(rootRunId, line);
    return line;
  };

  async function standInLine<T>(
    line: Line,
    ask: (isLast: boolean) => Promise<T | undefined>,
    signal: AbortSignal,
  ): Promise<T> {
    const before = line.tail;
    const served = Promise.withResolvers<void>();
    line.tail = served.promise;
    const over = new AbortController();
    const late = clock.sleep(waitMs, AbortSignal.any([signal, over.signal])).catch(() => undefined);
    let isLate = false;
    void late.then(() => {
      isLate = true;
    });
    try {
      await Promise.race([before, late]);
      for (;;) {
        signal.throwIfAborted();
        // Taken before the question: what moves during it is not overheard.
        const news = line.news.promise;
        const answer = await ask(isLate);
        if (answer !== undefined) return answer;
        await Promise.race([news, late]);
      }
    } finally {
      over.abort();
      // Whoever gives up in the middle of the line does not let the next one overtake those before.
      void before.then(served.resolve);
    }
  }

  return {
    async enter(rootRunId, ask, signal) {
      if (!lines.has(rootRunId)) {
        // Nobody waits: those who ask in one tick share one commit, and the store puts them in order.
        const answer = await ask(false);
        if (answer !== undefined) return answer;
      }
      const line = lineOf(rootRunId);
      line.waiting += 1;
      try {
        return await standInLine(line, ask, signal);
      } finally {
        line.waiting -= 1;
        if (line.waiting === 0) lines.delete(rootRunId);
      }
    },
    moved(rootRunId) {
      const line = lines.get(rootRunId);
      if (line === undefined) return;
      line.news.resolve();
      line.news = Promise.withResolvers();
    },
  };
}
