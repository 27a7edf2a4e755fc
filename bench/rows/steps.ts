import { newId } from "../../src/contract/ids.ts";
import type { Bench, Group } from "../group.ts";
import { callFinished, callStarted, newRun, openBenchStore } from "../journals.ts";
import { interleave, quantile, ratio, type Samples, timed } from "../measure.ts";
import { openPeer, type StepsPeer } from "../peers.ts";
import { openPostgres } from "../postgres.ts";
import { type Row, unmeasured } from "../row.ts";

/** Steps of one round, done by one run or shared by twenty at once. */
const steps = 100;
const shapes = [
  { shape: "serial", runs: 1, what: "one run" },
  { shape: "parallel", runs: 20, what: "20 runs at once" },
];

interface Opened {
  name: string;
  what: string;
  peer: StepsPeer;
}

interface Refused {
  name: string;
  what: string;
  why: unknown;
}

/** A durable step here and in engines made for it. Ours is two commits, the intent and the end; theirs is one. */
export const stepsRows: Group = {
  name: "steps",
  async run(bench: Bench): Promise<Row[]> {
    const own = await openOwn(bench);
    const opened: Opened[] = [];
    const refused: Refused[] = [];
    try {
      for (const { name, what, open } of engines) {
        try {
          opened.push({ name, what, peer: await open(bench) });
        } catch (error) {
          refused.push({ name, what, why: error });
        }
      }
      const airlock = { name: "airlock", what: "Airlock", peer: own };
      const samples = await measure([airlock, ...opened], bench.quick ? 2 : 15);
      return [
        ...shapes.map(({ shape, what }) => ownRow(samples, shape, what)),
        ...shapes.flatMap((shape) => opened.map((engine) => peerRow(samples, engine, shape))),
        ...refused.map(({ name, what, why }) =>
          unmeasured({ name: `steps.peer.${name}`, what, unit: "x", target: null }, why),
        ),
      ];
    } finally {
      for (const { peer } of opened) await peer.close();
      await own.close();
    }
  },
};

const engines: { name: string; what: string; open(bench: Bench): Promise<StepsPeer> }[] = [
  { name: "dbos", what: "`@dbos-inc/dbos-sdk` on Postgres", open: openDbos },
  {
    name: "restate",
    what: "`@restatedev/restate-server`",
    open: (bench) => openPeer(bench, "restate", { directory: bench.newDirectory("restate") }),
  },
];

async function openDbos(bench: Bench): Promise<StepsPeer> {
  const postgres = await openPostgres(bench);
  try {
    const peer = await openPeer<StepsPeer>(bench, "dbos", { databaseUrl: postgres.url });
    return {
      run: peer.run,
      async close() {
        await peer.close();
        await postgres.close();
      },
    };
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

async function openOwn(bench: Bench): Promise<StepsPeer> {
  const store = await openBenchStore(bench.newDirectory("steps"));
  const workspace = newId("workspace");
  return {
    async run(runs, stepsEach) {
      const work = async () => {
        const run = await newRun(store, workspace);
        for (let step = 0; step < stepsEach; step++) {
          await run.append([callStarted]);
          await run.append([callFinished]);
        }
      };
      await Promise.all(Array.from({ length: runs }, work));
    },
    close: () => store.close(),
  };
}

async function measure(engines: readonly Opened[], rounds: number): Promise<Samples> {
  const samples: Samples = new Map();
  for (const { shape, runs } of shapes) {
    const variants = engines.map(({ name, peer }) => ({
      name: `${name}.${shape}`,
      once: () => timed(() => peer.run(runs, steps / runs)),
    }));
    for (const [name, took] of await interleave(variants, rounds)) samples.set(name, took);
  }
  return samples;
}

function perSecond(samples: Samples, name: string): number {
  return (steps / quantile(samples.get(name) ?? [], 0.5)) * 1000;
}

function ownRow(samples: Samples, shape: string, what: string): Row {
  return {
    ...{ name: `steps.${shape}`, unit: "steps/s", target: null },
    what: `Durable steps (intent, then end) of a journal, ${what}`,
    value: perSecond(samples, `airlock.${shape}`),
  };
}

function peerRow(samples: Samples, { name, what }: Opened, shape: (typeof shapes)[number]): Row {
  return {
    ...{ name: `steps.peer.${name}.${shape.shape}`, unit: "x", target: null },
    what: `Durable steps per second, Airlock against ${what}, ${shape.what}`,
    ...ratio(samples, `${name}.${shape.shape}`, `airlock.${shape.shape}`),
    detail: `${perSecond(samples, `${name}.${shape.shape}`).toFixed(0)} steps/s of theirs`,
  };
}
