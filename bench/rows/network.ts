import type { Bench, Group } from "../group.ts";
import { interleave, quantile, ratio, type Samples, shownQuantiles, timed } from "../measure.ts";
import { openNetworkWay } from "../network-way.ts";
import { atMost, type Row } from "../row.ts";

const MiB = 1024 * 1024;
/** Received on one connection in a round of the throughput. */
const bulk = 64 * MiB;
/** What a host in the same town needs to answer. */
const slowMs = 20;

/** The way out of a build, relay and proxy, against the same connection made directly. */
export const networkRows: Group = {
  name: "network",
  async run(bench: Bench): Promise<Row[]> {
    const way = await openNetworkWay(bench);
    try {
      const rounds = bench.quick ? 3 : 200;
      const pair = (name: string, bytes: number, milliseconds: number) => [
        { name: `${name}.direct`, once: () => timed(() => way.direct(bytes, milliseconds)) },
        { name: `${name}.through`, once: () => timed(() => way.through(bytes, milliseconds)) },
      ];
      const samples: Samples = new Map([
        ...(await interleave([...pair("call", 1, 0), ...pair("slow", 1, slowMs)], rounds)),
        ...(await interleave(pair("bulk", bulk, 0), bench.quick ? 2 : 30)),
      ]);
      return [addedRow(samples), slowRow(samples), setUpRow(samples), throughputRow(samples)];
    } finally {
      await way.close();
    }
  },
};

const median = (samples: Samples, name: string) => quantile(samples.get(name) ?? [], 0.5);

function shown(samples: Samples, name: string): string {
  const [through, direct] = ["through", "direct"].map((way) =>
    shownQuantiles(samples.get(`${name}.${way}`) ?? []),
  );
  return `${through}; directly ${direct}`;
}

function addedRow(samples: Samples): Row {
  return {
    name: "network.added",
    what: "What relay and proxy add to a connection and its first answer, p50",
    ...{ unit: "ms", target: atMost(3), detail: shown(samples, "call") },
    value: median(samples, "call.through") - median(samples, "call.direct"),
  };
}

function slowRow(samples: Samples): Row {
  return {
    name: "network.slow-host",
    what: `A request to a host that answers in ${slowMs} ms, through relay and proxy, against directly`,
    ...{ unit: "x", target: atMost(1.5), ...ratio(samples, "slow.through", "slow.direct") },
    detail: shown(samples, "slow"),
  };
}

function setUpRow(samples: Samples): Row {
  return {
    name: "network.set-up",
    what: "A connection and its first answer through relay and proxy, against directly on loopback",
    ...{ unit: "x", target: null, ...ratio(samples, "call.through", "call.direct") },
  };
}

function throughputRow(samples: Samples): Row {
  const { value, spread } = ratio(samples, "bulk.direct", "bulk.through");
  const rate = (way: string) => (bulk / MiB / median(samples, `bulk.${way}`)) * 1000;
  return {
    name: "network.throughput",
    what: `${bulk / MiB} MiB received through relay and proxy, against directly on loopback`,
    ...{ unit: "%", target: null, value: 100 * value },
    spread: [100 * spread[0], 100 * spread[1]],
    detail: `${rate("through").toFixed(0)} MiB/s against ${rate("direct").toFixed(0)} MiB/s`,
  };
}
