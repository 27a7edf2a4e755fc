import type { Bench, Group } from "../group.ts";
import { quantile, shownQuantiles } from "../measure.ts";
import { openProxyWay, type SideBySide, slowMs } from "../proxy-way.ts";
import { atMost, type Row } from "../row.ts";

/** Calls that are on their way at once, in all, when the most is asked for. */
const atOnce = 100;

/** Proxy endpoints, as the code of a run calls them, against the same call of the same upstream made directly. */
export const proxyRows: Group = {
  name: "proxy",
  async run(bench: Bench): Promise<Row[]> {
    const way = await openProxyWay(bench);
    try {
      const [blocks, perBlock, seconds] = bench.quick ? [2, 5, 1] : [12, 25, 5];
      const fast = await way.sideBySide("fast", blocks, perBlock);
      const slow = await way.sideBySide("slow", blocks, perBlock);
      const runs = bench.quick ? 4 : 50;
      const alone = await way.sustained(1, 16, seconds);
      const together = await way.sustained(runs, Math.ceil(atOnce / runs), seconds);
      return [addedRow(fast), slowRow(slow), ...rateRows(alone, runs, together)];
    } finally {
      await way.close();
    }
  },
};

const p50 = (values: readonly number[]) => quantile(values, 0.5);

function shown({ through, direct }: SideBySide): string {
  return `${shownQuantiles(through)}; directly ${shownQuantiles(direct)}`;
}

function addedRow(took: SideBySide): Row {
  return {
    name: "proxy.added",
    what: "What an endpoint adds to a call: relay, checks, budget and audit row, both durable, p50",
    ...{ unit: "ms", target: atMost(3), detail: shown(took) },
    value: p50(took.through) - p50(took.direct),
  };
}

function slowRow(took: SideBySide): Row {
  return {
    name: "proxy.slow-upstream",
    what: `A call of an upstream that answers in ${slowMs} ms, through an endpoint, against directly`,
    ...{ unit: "x", target: atMost(1.5), detail: shown(took) },
    value: p50(took.through) / p50(took.direct),
  };
}

function rateRows(alone: number, runs: number, together: number): Row[] {
  const row = (name: string, what: string, value: number): Row => {
    return { name: `proxy.${name}`, what, value, unit: "calls/s", target: null };
  };
  return [
    row("rate.one-run", "Calls per second that one run sustains, 16 on their way", alone),
    row("rate.many-runs", `Calls per second that ${runs} runs sustain together`, together),
  ];
}
