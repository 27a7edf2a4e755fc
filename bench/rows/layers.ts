import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { openThreads, type Threads } from "../../src/base/threads.ts";
import { openRoot } from "../../src/base/tree.ts";
import { type LayerTrees, openLayers, type StoredLayer } from "../../src/layers/layers.ts";
import { syncFilesystem } from "../../src/sandbox/sandbox.ts";
import type { Bench, Group } from "../group.ts";
import { quantile, ratio, type Samples, shownQuantiles, timed } from "../measure.ts";
import { installPackages } from "../peers.ts";
import { atLeast, atMost, type Row, unmeasured } from "../row.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const signal = new AbortController().signal;
const MB = 1_000_000;
const filesWanted = 20_000;

/** Dependencies as layers, against packing and unpacking them, which is what others do. */
export const layersRows: Group = {
  name: "layers",
  async run(bench: Bench): Promise<Row[]> {
    const place = bench.newDirectory("layers");
    const log = openLog("silent");
    const threads = openThreads({ log });
    try {
      const tree = await treeIn(bench, place);
      const store: Store = { dataDir: join(place, "data"), threads, layers: () => opened(store) };
      mkdirSync(join(store.dataDir, "run"), { recursive: true });
      const rounds = bench.quick ? 1 : 5;
      const captures = await measureCaptures(store, tree, rounds);
      const opens = await measureOpens(store, tree, rounds);
      return [
        ...captureRows(captures),
        ...openRows(opens),
        memoryRow(await measureMemory(store.dataDir, tree)),
      ];
    } finally {
      await threads.close();
      await run("rm", ["-rf", place]);
    }
  },
};

interface Store {
  dataDir: string;
  threads: Threads;
  /** A gateway that has just started, as far as layers go. */
  layers: () => LayerTrees;
}

function opened({ dataDir, threads }: Store): LayerTrees {
  return openLayers({
    ...{ dataDir, clock: systemClock, log: openLog("silent"), threads, syncFilesystem },
  });
}

interface Tree {
  path: string;
  files: number;
  what: string;
}

/** A copy of installed dependencies on the filesystem that is measured: those of `bench/tree`, else our own, often enough. */
async function treeIn(bench: Bench, place: string): Promise<Tree> {
  const path = join(place, "tree");
  mkdirSync(path);
  if (bench.quick) return await copiesIn(path, join(root, "node_modules/zod"), 1);
  try {
    if (!bench.peers) throw new Error("what comes from a registry was left out");
    await installPackages(bench, join(root, "bench/tree"));
    return await copiesIn(path, join(root, "bench/tree/node_modules"), 1);
  } catch (error) {
    bench.say(`layers: our own dependencies are measured: ${error}`);
    return await copiesIn(path, join(root, "node_modules"), filesWanted);
  }
}

async function copiesIn(path: string, source: string, wanted: number): Promise<Tree> {
  let files = 0;
  let copies = 0;
  for (; files < wanted; copies++) {
    await run("cp", ["-a", source, join(path, `copy-${copies}`)]);
    files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    ).length;
  }
  await syncFilesystem(path);
  const times = copies === 1 ? "" : `, ${copies} times the same`;
  return { path, files, what: `${files} files of installed packages${times}` };
}

/** What others do: everything is read by one program, compressed by another and hashed by a third. */
const packed = (tree: string, to: string) => [
  "-c",
  `tar -c -C "$1" . | zstd -q | ${to}`,
  ...["sh", tree],
];

interface Captures {
  samples: Samples;
  layer: StoredLayer;
  tree: Tree;
  /** Milliseconds in which the main thread did not answer. */
  delays: number[];
}

async function measureCaptures(store: Store, tree: Tree, rounds: number): Promise<Captures> {
  const samples: Samples = new Map([
    ...(["packed", "captured", "hashed"] as const).map((name) => [name, []] as [string, number[]]),
  ]);
  const delays: number[] = [];
  let layer: StoredLayer | undefined;
  const layers = store.layers();
  for (let round = 0; round <= rounds; round++) {
    await run("cp", ["-a", tree.path, join(store.dataDir, "run/tree")]);
    await syncFilesystem(store.dataDir);
    const pipe = await timed(() => run("sh", packed(join(store.dataDir, "run/tree"), "sha256sum")));
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const took = await timed(async () => {
      layer = await captured(layers, store.dataDir);
    });
    delay.disable();
    await layers.sweep({ keep: new Set(), before: Number.POSITIVE_INFINITY }, signal);
    const bytes = layer?.sizeBytes ?? 0;
    const hashed = await timed(() => hashLimit(store.threads, bytes));
    // The first round warms caches and threads up.
    if (round === 0) continue;
    samples.get("packed")?.push(pipe);
    samples.get("captured")?.push(took);
    samples.get("hashed")?.push(hashed);
    delays.push(delay.max / 1e6);
  }
  if (layer === undefined) throw new Error("Nothing was captured");
  return { samples, layer, tree, delays };
}

async function captured(layers: LayerTrees, dataDir: string): Promise<StoredLayer> {
  const directory = openRoot(join(dataDir, "run"));
  try {
    const published = await layers.capture({ root: directory, path: "tree" }, signal);
    if (!published.ok) throw new Error(published.reason);
    return published.layer;
  } finally {
    closeSync(directory);
  }
}

/** As many bytes as a layer has, hashed in memory by as many threads: no capture can be faster. */
async function hashLimit(threads: Threads, bytes: number): Promise<void> {
  const task = { module: import.meta.url, work: hashZeros };
  await Promise.all([0, 1].map(() => threads.run(task, { bytes: bytes / 2 })));
}

/** For a thread. */
export function hashZeros({ bytes }: { bytes: number }): string {
  const piece = Buffer.alloc(MB);
  const hash = createHash("sha256");
  for (let done = 0; done < bytes; done += piece.length) hash.update(piece);
  return hash.digest("hex");
}

function captureRows({ samples, layer, tree, delays }: Captures): Row[] {
  const what = `${tree.what}, ${Math.round(layer.sizeBytes / MB)} MB`;
  const shown = (name: string) => shownQuantiles(samples.get(name) ?? []);
  const stalled = quantile(delays, 0.5);
  return [
    {
      ...{ name: "layers.capture", unit: "x", target: atLeast(3) },
      what: `A layer made of ${what}, times faster than \`tar | zstd | sha256sum\` reads them`,
      ...ratio(samples, "packed", "captured"),
      detail: `${shown("captured")}; packed ${shown("packed")}`,
    },
    {
      ...{ name: "layers.capture-limit", unit: "x", target: null },
      what: "The same, against hashing as many bytes in memory on as many threads",
      ...ratio(samples, "captured", "hashed"),
      detail: shown("hashed"),
    },
    {
      ...{ name: "layers.capture-stall", unit: "ms", target: null, value: stalled },
      what: "The longest that anybody waited for the main thread meanwhile",
      spread: [Math.min(...delays), Math.max(...delays)],
    },
  ];
}

async function measureOpens(store: Store, tree: Tree, rounds: number): Promise<Samples> {
  const samples: Samples = new Map([
    ...(["unpacked", "first", "open"] as const).map((name) => [name, []] as [string, number[]]),
  ]);
  await run("cp", ["-a", tree.path, join(store.dataDir, "run/tree")]);
  const archive = join(store.dataDir, "archive.tar.zst");
  await run("sh", packed(tree.path, `cat >"${archive}"`));
  const { digest } = await captured(store.layers(), store.dataDir);
  const target = join(store.dataDir, "unpacked");
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    mkdirSync(target);
    const unpack = ["-c", 'zstd -qdc "$1" | tar -x -C "$2"', "sh", archive, target];
    samples.get("unpacked")?.push(await timed(() => run("sh", unpack)));
    await run("rm", ["-rf", target]);
    const layers = store.layers();
    for (const name of ["first", ...Array.from({ length: 100 }, () => "open")]) {
      const took = await timed(async () => (await layers.open(digest)).release());
      samples.get(name)?.push(took);
    }
  }
  await store.layers().sweep({ keep: new Set(), before: Number.POSITIVE_INFINITY }, signal);
  return samples;
}

function openRows(samples: Samples): Row[] {
  const median = (name: string) => quantile(samples.get(name) ?? [], 0.5);
  const row = (name: string, of: string, what: string, target: Row["target"]): Row => ({
    ...{ name, what, unit: "x", target, value: median("unpacked") / median(of) },
    detail: `${shownQuantiles(samples.get(of) ?? [])}; unpacked ${shownQuantiles(samples.get("unpacked") ?? [])}`,
  });
  const faster = "times faster than `zstd -d | tar -x` to disk";
  return [
    row("layers.open", "open", `A layer ready to be mounted, ${faster}`, atLeast(100)),
    row("layers.open-first", "first", `The first time after a start, ${faster}`, null),
  ];
}

/** Bytes that a process of its own, idle before, had at most in addition while it captured the tree. */
async function measureMemory(dataDir: string, tree: Tree): Promise<number> {
  await run("cp", ["-a", tree.path, join(dataDir, "run/tree")]);
  const program = join(root, "test/support/layer-process.ts");
  const child = spawn(process.execPath, [program, dataDir, "capture"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  for await (const line of createInterface(child.stdout)) if (line === "ready") break;
  const idle = memoryOf(child.pid, "VmRSS") ?? 0;
  writeFileSync(`/proc/${child.pid}/clear_refs`, "5");
  child.stdin.write("go\n");
  let peak = idle;
  while (child.exitCode === null && child.signalCode === null) {
    peak = memoryOf(child.pid, "VmHWM") ?? peak;
    await sleep(5);
  }
  await exited;
  return peak - idle;
}

/** Undefined when the process has just gone. */
function memoryOf(pid: number | undefined, field: string): number | undefined {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kB = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1];
  return kB === undefined ? undefined : Number(kB) * 1024;
}

function memoryRow(bytes: number): Row {
  const row: Omit<Row, "value"> = {
    ...{ name: "layers.memory", unit: "MB", target: atMost(150) },
    what: "Memory that a process needs at most in addition while it captures them",
  };
  return bytes > 0 ? { ...row, value: bytes / MB } : unmeasured(row, "the process was too short");
}
