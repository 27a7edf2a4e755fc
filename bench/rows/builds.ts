import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { bareSurroundings, type Surroundings } from "../../src/sandbox/sandbox.ts";
import type { Bench, Group } from "../group.ts";
import { type Client, openClient } from "../http-client.ts";
import { latencies } from "../latencies.ts";
import { interleave, quantile, ratio, type Samples, shownQuantiles, timed } from "../measure.ts";
import { execLimits, openBwraps } from "../raw-bwrap.ts";
import { atLeast, atMost, type Row } from "../row.ts";
import { serve } from "../serve.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;
/** A model thinks for longer. */
const spareOpensMs = 80;
const layerCount = 5;

/** What layers cost a command, and what a build costs the second time. */
export const buildsRows: Group = {
  name: "builds",
  async run(bench: Bench): Promise<Row[]> {
    return [...(await execRows(bench)), ...(await gatewayRows(bench))];
  },
};

async function execRows(bench: Bench): Promise<Row[]> {
  const directory = bench.newDirectory("builds");
  const files = bench.quick ? 200 : 5_000;
  const layers = await makeLayers(directory, files);
  const bwraps = await openBwraps(bench.newDirectory("builds-runs"));
  const { sandbox } = bwraps;
  const place = await bwraps.newPlace();
  const exec = async (surroundings: Surroundings, isWarm: boolean) => {
    if (isWarm) {
      sandbox.prepare(place, execLimits, surroundings);
      await sleep(spareOpensMs);
    }
    const took = await timed(async () => {
      const request = { command: "true", limits: execLimits, signal, surroundings };
      const { end } = await sandbox.exec(place, request);
      if (end.type !== "exited" || end.exitCode !== 0) throw new Error(JSON.stringify(end));
    });
    await sandbox.discard(place.runId);
    return took;
  };
  const mounts = layers.map(({ tree }, index) => ({ source: tree, target: `/opt/layer-${index}` }));
  const withLayers = { ...bareSurroundings, mounts };
  const unpackTo = (name: string, into: string) => ({
    name,
    async once() {
      mkdirSync(into);
      const took = await timed(async () => {
        for (const { archive } of layers) await run("tar", ["-C", into, "--zstd", "-xf", archive]);
      });
      rmSync(into, { recursive: true });
      return took;
    },
  });
  try {
    const samples: Samples = new Map([
      ...(await interleave(
        [
          { name: "none", once: () => exec(bareSurroundings, true) },
          { name: "layers", once: () => exec(withLayers, true) },
          { name: "none.cold", once: () => exec(bareSurroundings, false) },
          { name: "layers.cold", once: () => exec(withLayers, false) },
        ],
        bench.quick ? 5 : 60,
      )),
      ...(await interleave(
        [
          unpackTo("unpack.disk", join(directory, "unpacked")),
          unpackTo("unpack.memory", join("/dev/shm", `airlock-bench-${process.pid}`)),
        ],
        bench.quick ? 1 : 3,
      )),
    ]);
    return shownExec(samples, files);
  } finally {
    await bwraps.close();
  }
}

interface MadeLayer {
  tree: string;
  archive: string;
}

/** Trees as package clients leave them, many small files, and each as a tar.zst. */
async function makeLayers(directory: string, files: number): Promise<MadeLayer[]> {
  const made: MadeLayer[] = [];
  for (let layer = 0; layer < layerCount; layer++) {
    const tree = join(directory, `layer-${layer}`);
    for (let file = 0; file < files; file++) {
      const folder = join(tree, `package-${file % 50}`, "lib");
      if (file < 50) mkdirSync(folder, { recursive: true, mode: 0o755 });
      const text = `export const value = ${file * 7919 + layer};\n`.repeat(40 + (file % 80));
      writeFileSync(join(folder, `module-${file}.js`), text);
    }
    const archive = `${tree}.tar.zst`;
    await run("tar", ["-C", tree, "--zstd", "-cf", archive, "."]);
    made.push({ tree, archive });
  }
  return made;
}

function shownExec(samples: Samples, files: number): Row[] {
  const what = `${layerCount} layers of ${files.toLocaleString("en")} files each`;
  const shown = (name: string) => shownQuantiles(samples.get(name) ?? []);
  const row = (name: string, sentence: string, above: string, floor: string) => ({
    ...{ name: `builds.${name}`, what: sentence, unit: "x", ...ratio(samples, above, floor) },
    detail: `${shown(above)} against ${shown(floor)}`,
  });
  return [
    {
      ...row("exec", `\`true\` with ${what}, against none`, "layers", "none"),
      target: atMost(1.2),
    },
    {
      ...row("exec-cold", "The same in a new sandbox", "layers.cold", "none.cold"),
      target: null,
    },
    {
      ...row(
        "unpack",
        `Unpacking ${what} to disk, against \`true\` with them mounted`,
        "unpack.disk",
        "layers",
      ),
      target: atLeast(100),
    },
    {
      ...row("unpack-memory", "The same to memory (tmpfs)", "unpack.memory", "layers"),
      target: null,
    },
  ];
}

/** A capture of 500 MB while a client asks, and builds that were done before. */
async function gatewayRows(bench: Bench): Promise<Row[]> {
  const files = bench.quick ? 500 : 20_000;
  const make = `import os
for n in range(${files}):
    if n % 100 == 0: os.makedirs(f"/tmp/deps/{n // 100}")
    with open(f"/tmp/deps/{n // 100}/{n}", "wb") as file: file.write(os.urandom(25_000))`;
  const capture = (command: string) => ({
    turns: [
      {
        calls: [
          {
            tool: "sandbox_exec",
            arguments: { command, capture_paths: [{ path: "/tmp/deps" }] },
          },
        ],
      },
      { text: "done" },
    ],
  });
  const install = "mkdir -p deps && for n in $(seq 500); do echo $n >deps/$n; done";
  const gateway = await serve({
    dataDir: bench.newDirectory("builds-gateway"),
    scripts: {
      large: capture(`python3 -c '${make}'; echo written`),
      again: capture(install),
    },
    env: {
      AIRLOCK_RUN_DISK_BYTES: String(8 * 2 ** 30),
    },
  });
  const client = openClient(gateway);
  try {
    const first = await build(client, "again");
    const second: number[] = [];
    for (let round = 0; round < (bench.quick ? 3 : 30); round++) {
      const built = await build(client, "again");
      if (!built.cached || built.connections > 0) throw new Error("The build was done again");
      second.push(built.ms);
    }
    const idle = await latencies(client, [first.run], bench.quick ? 0.5 : 5);
    const asked = await whileCapturing(client, await submit(client, "large"), first.run);
    return [secondRow(second, first.ms), latencyRow(idle, asked, files)];
  } finally {
    client.close();
    await gateway.stop();
  }
}

async function submit(client: Client, script: string): Promise<string> {
  const hosts = ["registry.example.com"];
  const capabilities = [
    { type: "CodeExecution", patterns: ["*"] },
    { type: "NetworkAccess", hosts },
  ];
  const body = {
    ...{ model: `scripted/${script}`, prompt: "Build" },
    agent: { instructions: "Build", capabilities },
  };
  return (JSON.parse(await client.ask("POST", "/api/runs", body)) as { run: { id: string } }).run
    .id;
}

async function ends(client: Client, id: string): Promise<{ stop_reason: string | null }> {
  const stream = await client.stream(`/api/runs/${id}/events`);
  // It ends with the run.
  for await (const _ of stream);
  const { run: ended } = JSON.parse(await client.ask("GET", `/api/runs/${id}`)) as {
    run: { stop_reason: string | null };
  };
  return ended;
}

/** Asks from the moment at which the command has written everything to the end of its capture. */
async function whileCapturing(client: Client, large: string, other: string): Promise<number[]> {
  let isOver = false;
  let asked: Promise<number[]> | undefined;
  const stream = await client.stream(`/api/runs/${large}/events`);
  for await (const chunk of stream.setEncoding("utf8")) {
    const text = String(chunk);
    if (text.includes("event: call.finished")) isOver = true;
    else if (text.includes("event: call.output"))
      asked ??= latencies(client, [other], 300, () => isOver);
  }
  isOver = true;
  if (asked === undefined) throw new Error("The command did not say that it had written");
  return asked;
}

interface Built {
  run: string;
  ms: number;
  cached: boolean;
  connections: number;
}

async function build(client: Client, script: string): Promise<Built> {
  const id = await submit(client, script);
  await ends(client, id);
  const { events } = JSON.parse(await client.ask("GET", `/api/runs/${id}/events?limit=100`)) as {
    events: { type: string; data: { duration_ms?: number; result?: { cached?: boolean } } }[];
  };
  const finished = events.find(({ type }) => type === "call.finished");
  if (finished?.data.duration_ms === undefined) throw new Error(`The run ${id} made no call`);
  return {
    run: id,
    ms: finished.data.duration_ms,
    cached: finished.data.result?.cached === true,
    connections: events.filter(({ type }) => type.startsWith("egress.")).length,
  };
}

function secondRow(second: readonly number[], first: number): Row {
  return {
    ...{ name: "builds.second", unit: "ms", target: atMost(50) },
    what: "A build that was done before, in another run: from its call to its layers, p50; no connection is made",
    value: quantile(second, 0.5),
    spread: [quantile(second, 0.1), quantile(second, 0.9)],
    detail: `${shownQuantiles(second)}; the first took ${first} ms`,
  };
}

function latencyRow(idle: readonly number[], asked: readonly number[], files: number): Row {
  return {
    ...{ name: "builds.http-p99", unit: "ms", target: null },
    what: `HTTP p99 while ${(files * 25_000) / 1e6} MB in ${files.toLocaleString("en")} files are captured`,
    value: quantile(asked, 0.99),
    detail: `${shownQuantiles(asked)}; idle ${shownQuantiles(idle)}`,
  };
}
