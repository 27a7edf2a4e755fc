/** What one endpoint may still read in this run, shared by all its calls. */
export interface ByteBudget {
  /** What earlier calls have read, as the books have it; only the first time counts. */
  start(used: number): void;
  left(): number;
  /** Takes as many as there are, at most so many; returns how many that were. */
  take(bytes: number): number;
}

/** Opens the budget of one endpoint. Taking is one step, so that calls at once never take more than there is. */
export function openByteBudget(most: number): ByteBudget {
  let left: number | undefined;
  return {
    start(used) {
      left ??= Math.max(0, most - used);
    },
    left: () => left ?? most,
    take(bytes) {
      const taken = Math.min(bytes, left ?? most);
      left = (left ?? most) - taken;
      return taken;
    },
  };
}
