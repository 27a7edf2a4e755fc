import { newId } from "../../src/contract/ids.ts";
import type { Bench, Group } from "../group.ts";
import { callStarted, newRun, openBenchStore, openRawInserts } from "../journals.ts";
import { interleave, quantile, ratio, type Samples, timed } from "../measure.ts";
import { atLeast, type Row } from "../row.ts";

const runsAtOnce = 20;
/** Appends and inserts of one round. */
const operations = 100;

/** Appends to journals, chained, fenced and folded, against bare inserts that are synced as well. */
export const journalRows: Group = {
  name: "journal",
  async run(bench: Bench): Promise<Row[]> {
    const dir = bench.newDirectory("journal");
    const store = await openBenchStore(dir);
    const raw = openRawInserts(dir);
    try {
      const workspace = newId("workspace");
      const alone = await newRun(store, workspace);
      const runs = await Promise.all(
        Array.from({ length: runsAtOnce }, () => newRun(store, workspace)),
      );
      const serial = async (run: typeof alone, count: number) => {
        for (let index = 0; index < count; index++) await run.append([callStarted]);
      };
      const parallel = () => Promise.all(runs.map((run) => serial(run, operations / runsAtOnce)));
      const inserts = async () => {
        for (let index = 0; index < operations; index++) raw.insert();
      };
      const samples = await interleave(
        [
          { name: "raw", once: () => timed(inserts) },
          { name: "serial", once: () => timed(() => serial(alone, operations)) },
          { name: "parallel", once: () => timed(parallel) },
        ],
        bench.quick ? 3 : 60,
      );
      return [
        rateRow(samples, "serial", "Journal append, one run", 60),
        rateRow(samples, "parallel", `Journal append, ${runsAtOnce} runs at once`, 150),
      ];
    } finally {
      raw.close();
      await store.close();
    }
  },
};

function rateRow(samples: Samples, name: string, what: string, target: number): Row {
  // How many appends are done in the time of one insert.
  const { value, spread } = ratio(samples, "raw", name);
  const perSecond = (of: string) =>
    ((operations / quantile(samples.get(of) ?? [], 0.5)) * 1000).toFixed(0);
  return {
    name: `journal.${name}`,
    what: `${what}, against a raw synced insert on the same database`,
    ...{ unit: "%", target: atLeast(target), value: 100 * value },
    spread: [100 * spread[0], 100 * spread[1]],
    detail: `${perSecond(name)} appends/s against ${perSecond("raw")} inserts/s`,
  };
}
