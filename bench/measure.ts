/**
 * How everything here is measured: variants take turns, round after round, so that what else the machine does falls on
 * all of them alike; a ratio is formed only between figures of the same rounds.
 */

/** One of several ways that are compared. `once` answers how long it took, in milliseconds, preparation left out. */
export interface Variant {
  name: string;
  once(): Promise<number>;
}

export interface Quantiles {
  p10: number;
  p50: number;
  p99: number;
  count: number;
}

/** What the rounds gave, per variant and in the order of the rounds. */
export type Samples = Map<string, number[]>;

/** Rounds in which nothing is kept: caches fill and the compiler wakes up. */
const warmUpRounds = 5;
/** A ratio is formed in each slice as well, to show how far noise moves it. */
const slices = 5;

/** Runs every variant once per round, each round starting with the next variant. */
export async function interleave(variants: readonly Variant[], rounds: number): Promise<Samples> {
  const samples: Samples = new Map(variants.map(({ name }) => [name, []]));
  const warmUp = Math.min(warmUpRounds, rounds);
  for (let round = 0; round < warmUp + rounds; round++) {
    for (let turn = 0; turn < variants.length; turn++) {
      const variant = variants[(round + turn) % variants.length];
      const took = await variant?.once();
      if (round >= warmUp && variant && took !== undefined) samples.get(variant.name)?.push(took);
    }
  }
  return samples;
}

/** How long it takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

export function quantiles(values: readonly number[]): Quantiles {
  return {
    ...{ p10: quantile(values, 0.1), p50: quantile(values, 0.5) },
    ...{ p99: quantile(values, 0.99), count: values.length },
  };
}

/** The value below which `share` of all lie; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** The ratio of two medians, and the same ratio in each slice of the rounds, from the lowest to the highest. */
export function ratio(
  samples: Samples,
  name: string,
  floor: string,
): { value: number; spread: [number, number] } {
  const above = samples.get(name) ?? [];
  const below = samples.get(floor) ?? [];
  const both = Math.min(above.length, below.length);
  const length = Math.max(1, Math.floor(both / slices));
  const parts: number[] = [];
  for (let from = 0; from + length <= both; from += length) {
    const part = (values: readonly number[]) => quantile(values.slice(from, from + length), 0.5);
    parts.push(part(above) / part(below));
  }
  return {
    value: quantile(above, 0.5) / quantile(below, 0.5),
    spread: [Math.min(...parts), Math.max(...parts)],
  };
}

/** The median of some figures, with the lowest and the highest: for what is measured in windows, not in rounds. */
export function middle(values: readonly number[]): { value: number; spread: [number, number] } {
  return {
    value: quantile(values, 0.5),
    spread: [Math.min(...values), Math.max(...values)],
  };
}

export function shownQuantiles(values: readonly number[]): string {
  const { p10, p50, p99, count } = quantiles(values);
  const [a, b, c] = [p10, p50, p99].map((value) => Number(value.toPrecision(3)));
  return `p10 ${a}, p50 ${b}, p99 ${c} ms, n = ${count}`;
}
