/**
 * The benchmark: every figure that the design promises, measured in one process, as ratios between things that were
 * measured side by side. `--quick` proves that it works, `--write-docs` renews docs/performance.md.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compareWithBaseline, withEarlier, writeBaseline } from "./baseline.ts";
import { type Bench, type Group, openDirectories } from "./group.ts";
import { writePage } from "./page.ts";
import { isMet, jsonOf, type Row } from "./row.ts";
import { archiveRows } from "./rows/archive.ts";
import { buildsRows } from "./rows/builds.ts";
import { corridorRows } from "./rows/corridor.ts";
import { httpRows } from "./rows/http.ts";
import { journalRows } from "./rows/journal.ts";
import { layersRows } from "./rows/layers.ts";
import { networkRows } from "./rows/network.ts";
import { parkedRows } from "./rows/parked.ts";
import { policyRows } from "./rows/policy.ts";
import { proxyRows } from "./rows/proxy.ts";
import { redactionRows } from "./rows/redaction.ts";
import { restartRows } from "./rows/restart.ts";
import { sandboxRows } from "./rows/sandbox.ts";
import { scriptRows } from "./rows/script.ts";
import { skillsRows } from "./rows/skills.ts";
import { startsRows } from "./rows/starts.ts";
import { stepsRows } from "./rows/steps.ts";
import { treesRows } from "./rows/trees.ts";
import { tableOf } from "./table.ts";

const groups: Group[] = [
  ...[sandboxRows, startsRows, corridorRows, journalRows],
  ...[
    stepsRows,
    httpRows,
    restartRows,
    parkedRows,
    treesRows,
    redactionRows,
    layersRows,
    buildsRows,
  ],
  ...[networkRows, policyRows, proxyRows, scriptRows, skillsRows, archiveRows],
];

const usage = `Usage: npm run bench -- [options]
  --only NAME        measure one group: ${groups.map(({ name }) => name).join(", ")}; may be repeated
  --quick            few rounds: shows that it works, the figures mean little
  --no-peers         leave out what has to be installed from a registry
  --json FILE        write the rows as JSON
  --write-docs       renew docs/performance.md and its chart
  --write-baseline   renew bench/baseline.json
  --check            compare with bench/baseline.json; exit 1 and name the row that became worse`;

const { values: asked } = parseArgs({
  allowNegative: true,
  options: {
    only: { type: "string", multiple: true, default: [] },
    quick: { type: "boolean", default: false },
    peers: { type: "boolean", default: true },
    json: { type: "string" },
    "write-docs": { type: "boolean", default: false },
    "write-baseline": { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (asked.help) process.stdout.write(`${usage}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const chosen = groups.filter(({ name }) => asked.only.length === 0 || asked.only.includes(name));
  const unknown = asked.only.filter((name) => !groups.some((group) => group.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`There is no group ${JSON.stringify(unknown[0])}\n${usage}\n`);
    return 2;
  }
  const rows = await measure(chosen);
  process.stdout.write(`${tableOf(rows)}\n`);
  if (asked.json) writeFileSync(asked.json, `${JSON.stringify(rows.map(jsonOf), null, 2)}\n`);
  const all = withEarlier(rows);
  if (asked["write-docs"]) writePage(all.rows, all.earlier);
  if (asked["write-baseline"]) writeBaseline(all.rows);
  if (!asked.check) return 0;
  const worse = compareWithBaseline(rows);
  for (const line of worse) process.stdout.write(`${line}\n`);
  return worse.length > 0 ? 1 : 0;
}

async function measure(chosen: Group[]): Promise<Row[]> {
  const { newDirectory, close } = openDirectories();
  const say = (text: string) => process.stderr.write(`bench: ${text}\n`);
  const bench: Bench = { quick: asked.quick, peers: asked.peers, newDirectory, say };
  const rows: Row[] = [];
  try {
    for (const group of chosen) {
      const start = performance.now();
      const made = await group.run(bench);
      rows.push(...made);
      const missed = made.filter((row) => isMet(row) === false).length;
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      say(`${group.name}: ${made.length} rows in ${seconds} s, ${missed} targets missed`);
    }
  } finally {
    close();
  }
  return rows;
}
