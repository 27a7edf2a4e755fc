/** Does work as soon as there is a place for it. Whoever is named takes turns with the others, however much he asks for. */
export type Places = <Answer>(work: () => Promise<Answer>, whose?: string) => Promise<Answer>;

/** So many pieces of work at once; whoever comes later waits, as his caller does. */
export function atMost(places: number): Places {
  let free = places;
  /** In the order of their turns; who has had one goes to the end. What one of them asks for keeps its own order. */
  const queues = new Map<string, (() => void)[]>();

  function wait(whose: string): Promise<void> {
    const queue = queues.get(whose) ?? [];
    queues.set(whose, queue);
    return new Promise((resolve) => queue.push(resolve));
  }

  function leave(): void {
    const [whose, queue] = queues.entries().next().value ?? [];
    if (whose === undefined || queue === undefined) {
      free += 1;
      return;
    }
    const enter = queue.shift();
    queues.delete(whose);
    if (queue.length > 0) queues.set(whose, queue);
    // The place is handed on: nobody who comes meanwhile can take it.
    enter?.();
  }

  return async (work, whose = "") => {
    if (free > 0) free -= 1;
    else await wait(whose);
    try {
      return await work();
    } finally {
      leave();
    }
  };
}
