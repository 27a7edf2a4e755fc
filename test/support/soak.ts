/** Long forms run with AIRLOCK_SOAK=1 (`npm run soak`); `npm test` runs the same tests a few times only. */
export const isSoak = process.env.AIRLOCK_SOAK === "1";

/** How often to do it: in a soak, and in `npm test`. */
export function times(soak: number, short: number): number {
  return isSoak ? soak : short;
}

/** At most so many of them, evenly apart from a place that is another one each time; in a soak, all. */
export function sampled<T>(all: readonly T[], most: number): T[] {
  const step = isSoak ? 1 : Math.max(1, Math.ceil(all.length / most));
  const first = Math.floor(Math.random() * step);
  return all.filter((_, index) => index % step === first);
}

/** Numbers in a line that follow from a seed, so that a red soak can be played again. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
