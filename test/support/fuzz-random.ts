/** Choices that come again with their seed. */
export interface Random {
  /** A whole number from 0 to `below - 1`. */
  int(below: number): number;
  /** True in this share of the cases. */
  chance(share: number): boolean;
  pick<T>(values: readonly [T, ...T[]]): T;
}

/** A small generator (mulberry32): quick, and the same on every machine. */
export function openRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (below: number) => Math.floor(next() * below);
  return {
    int,
    chance: (share) => next() < share,
    pick: (values) => values[int(values.length)] ?? values[0],
  };
}
