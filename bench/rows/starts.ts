import { availableParallelism } from "node:os";
import type { Bench, Group } from "../group.ts";
import { middle } from "../measure.ts";
import { type Bwraps, execLimits, openBwraps } from "../raw-bwrap.ts";
import { atLeast, type Row } from "../row.ts";

const signal = new AbortController().signal;

/** How many sandboxes a second, when as many are asked for as the gateway admits at once. */
export const startsRows: Group = {
  name: "starts",
  async run(bench: Bench): Promise<Row[]> {
    const bwraps = await openBwraps(bench.newDirectory("starts"));
    try {
      return rowsOf(await measure(bench, bwraps));
    } finally {
      await bwraps.close();
    }
  },
};

interface Rates {
  own: number[];
  same: number[];
  plain: number[];
}

async function measure(bench: Bench, bwraps: Bwraps): Promise<Rates> {
  const atOnce = 2 * availableParallelism();
  const places = await Promise.all(Array.from({ length: atOnce }, () => bwraps.newPlace()));
  const request = { command: "true", limits: execLimits, signal };
  const [windows, ms] = bench.quick ? [2, 200] : [6, 1500];
  const rate = (start: (index: number) => Promise<unknown>) => startsPerSecond(atOnce, ms, start);
  const place = (index: number) => {
    const own = places[index];
    if (own === undefined) throw new Error(`There is no place ${index}`);
    return own;
  };
  const rates: Rates = { own: [], same: [], plain: [] };
  for (let window = 0; window < windows + 1; window++) {
    const own = await rate((index) => bwraps.sandbox.exec(place(index), request));
    const same = await rate((index) => bwraps.sameArguments(place(index)));
    const plain = await rate(() => bwraps.plain());
    // The first window warms up.
    if (window === 0) continue;
    rates.own.push(own);
    rates.same.push(same);
    rates.plain.push(plain);
  }
  return rates;
}

async function startsPerSecond(
  atOnce: number,
  ms: number,
  start: (index: number) => Promise<unknown>,
): Promise<number> {
  const begun = performance.now();
  let done = 0;
  const lane = async (index: number) => {
    while (performance.now() - begun < ms) {
      await start(index);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, index) => lane(index)));
  return (done / (performance.now() - begun)) * 1000;
}

function rowsOf({ own, same, plain }: Rates): Row[] {
  const percent = (rates: number[], of: number[]) =>
    middle(rates.map((rate, window) => (100 * rate) / (of[window] ?? Number.NaN)));
  const perSecond = (rates: number[]) => `${middle(rates).value.toFixed(0)} starts/s`;
  return [
    {
      ...{ name: "starts.sustained", unit: "%", target: atLeast(80) },
      what: "Sandbox starts sustained, against bwrap with the same arguments",
      ...percent(own, same),
      detail: `${perSecond(own)} against ${perSecond(same)}`,
    },
    {
      ...{ name: "starts.against-plain", unit: "%", target: null },
      what: "The same, against plain `bwrap --unshare-all`",
      ...percent(own, plain),
      detail: `${perSecond(own)} against ${perSecond(plain)}`,
    },
  ];
}
