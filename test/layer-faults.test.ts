/**
 * C15, D01: a gateway that dies at any call that changes the disk, in the middle of a capture, an import or a sweep, has no
 * half layer and no wrong one, and leaves nothing that the next sweep does not take.
 *
 * Method: a process of its own works on a data directory, and strace kills it at the k-th call of one of its threads. A
 * second store, undisturbed, opens what it left. `npm test` takes every rename and synchronisation and a few of the others,
 * a soak takes all.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, describe, expect, it } from "vitest";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { openThreads } from "../src/base/threads.ts";
import { openRoot } from "../src/base/tree.ts";
import { type LayerTrees, openLayers } from "../src/layers/layers.ts";
import { syncFilesystem } from "../src/sandbox/sandbox.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { isSoak } from "./support/soak.ts";
import { newDataDir } from "./support/start-gateway.ts";
import {
  countCalls,
  gone,
  type Injection,
  mayAttach,
  straced,
  straceMain,
  straceWorker,
} from "./support/strace.ts";

const never = new AbortController().signal;
const log = openLog("silent");
const threads = openThreads({ log });
afterAll(() => threads.close());

const everything = { keep: new Set<string>(), before: Number.POSITIVE_INFINITY };
const important = ["rename", "renameat", "renameat2", "fsync", "fdatasync"];
/** Of which one of each is enough for every day. */
const sampled = ["mkdir", "unlink", "fchmod", "clone", "symlink"];
const calls = [
  ...[...important, "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "symlink", "symlinkat"],
  ...["chmod", "fchmod", "fchmodat", "chown", "lchown", "fchown", "fchownat", "utimensat"],
  ...["write", "writev", "pwrite64", "copy_file_range", "sendfile", "clone", "clone3", "vfork"],
];

function layersIn(dataDir: string): LayerTrees {
  return openLayers({ dataDir, clock: systemClock, log, threads, syncFilesystem });
}

/** A tree with one of everything: programs, links, names of other bytes, a second name outside, what is left out. */
function plant(dataDir: string): void {
  const tree = join(dataDir, "run/tree");
  mkdirSync(join(tree, "bin"), { recursive: true });
  mkdirSync(join(tree, "registry"));
  writeFileSync(join(tree, ".package-cache"), "");
  writeFileSync(join(tree, "bin/tool"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(Buffer.from(`${tree}/\xff`, "latin1"), "x".repeat(20_000));
  symlinkSync("bin/tool", join(tree, "link"));
  const outside = join(dataDir, "run/outside");
  writeFileSync(outside, "shared");
  linkSync(outside, join(tree, "shared"));
}

async function captured(dataDir: string, layers: LayerTrees): Promise<string> {
  const root = openRoot(join(dataDir, "run"));
  try {
    const published = await layers.capture({ root, path: "tree" }, never);
    if (!published.ok) throw new Error(published.reason);
    return published.layer.digest;
  } finally {
    closeSync(root);
  }
}

interface Work {
  argument: "capture" | "import" | "sweep";
  /** What is there before: the tree in the run's directory, and what this makes beside it. */
  prepare: (dataDir: string, layers: LayerTrees) => Promise<void>;
  /** A damaged layer is there before: it may still be, and must not be used. */
  isDamaged?: boolean;
}

/** The layer is there already, and so is the tree once more. */
async function twice(dataDir: string, layers: LayerTrees): Promise<string> {
  const digest = await captured(dataDir, layers);
  rmSync(join(dataDir, "run"), { recursive: true });
  plant(dataDir);
  return digest;
}

const works: Record<string, Work> = {
  "a capture": { argument: "capture", prepare: async () => undefined },
  "a capture of what is there already": {
    argument: "capture",
    prepare: async (dataDir, layers) => void (await twice(dataDir, layers)),
  },
  "a capture in the place of a damaged layer": {
    argument: "capture",
    async prepare(dataDir, layers) {
      const digest = await twice(dataDir, layers);
      const directory = join(dataDir, "layers", digest.slice("sha256:".length));
      rmSync(join(directory, "manifest"));
    },
    isDamaged: true,
  },
  "an import": {
    argument: "import",
    async prepare(dataDir, layers) {
      const digest = await twice(dataDir, layers);
      const pieces: Buffer[] = [];
      for await (const piece of layers.pack(digest)) pieces.push(piece);
      writeFileSync(join(dataDir, "archive"), Buffer.concat(pieces));
      await layers.sweep(everything, never);
    },
  },
  "a sweep": {
    argument: "sweep",
    prepare: async (dataDir, layers) => void (await twice(dataDir, layers)),
  },
};

type Part = "main" | "worker";

const program = "test/support/layer-process.ts";

/** Plays one work, with the fault; what the process said of it, which is nothing when it died. */
async function play(
  work: Work,
  part: Part,
  dataDir: string,
  injection: Injection,
): Promise<string> {
  const { node, root } = checkoutFor(undefined);
  const plain = [node, join(root, program)];
  const [command = "", ...words] = mayAttach() ? plain : straced(injection, program);
  const child = spawn(command, [...words, dataDir, work.argument], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  // Told to begin when it has gone already.
  child.stdin.on("error", () => undefined);
  const ended = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  if ((await lines.next()).value === "ready" && mayAttach()) {
    const attach = part === "main" ? straceMain : straceWorker;
    const trace = await attach(child.pid ?? 0, injection);
    child.stdin.write("go\n");
    await ended;
    await gone(trace);
  } else child.stdin.write("go\n");
  await ended;
  return String((await lines.next()).value ?? "");
}

async function prepared(work: Work): Promise<string> {
  const dataDir = newDataDir();
  plant(dataDir);
  await work.prepare(dataDir, layersIn(dataDir));
  return dataDir;
}

/** How often the work makes each call. */
async function learn(work: Work, part: Part): Promise<Map<string, number>> {
  const dataDir = await prepared(work);
  const trace = join(dataDir, "trace.txt");
  await play(work, part, dataDir, { calls: calls.join(","), trace });
  const counted = countCalls(trace);
  rmSync(dataDir, { recursive: true, force: true });
  return counted;
}

/** The digest of the tree, learnt from an undisturbed store. */
const digest = await (async () => {
  const dataDir = newDataDir();
  plant(dataDir);
  const made = await captured(dataDir, layersIn(dataDir));
  rmSync(dataDir, { recursive: true, force: true });
  return made;
})();

/** All that is wrong with what a dead process left. */
async function defectsIn(dataDir: string, work: Work): Promise<string[]> {
  const defects: string[] = [];
  const before = readdirSync(join(dataDir, "layers")).filter((name) => name !== "incoming");
  const layers = layersIn(dataDir);
  const found = layers.list();
  if (before.length !== found.length) defects.push(`there is something else: ${before}`);
  if (found.some((name) => name !== digest)) defects.push(`wrong layers: ${found}`);
  if (work.argument === "capture") {
    const tree = join(dataDir, "run/tree");
    const isWhole = existsSync(join(tree, "bin/tool")) && existsSync(join(tree, "shared"));
    if (existsSync(tree) && !isWhole) defects.push("the run has half of its tree");
  }
  for (const name of found) {
    const opened = await layers.open(name).catch(() => undefined);
    opened?.release();
    const verdict = await layers.verify(name);
    if (!work.isDamaged && !verdict.ok) defects.push(`half a layer: ${verdict.reason}`);
    if (opened && !verdict.ok) defects.push(`used though damaged: ${verdict.reason}`);
    if (!opened && verdict.ok) defects.push("not used though sound");
  }
  // Whatever happened, the next capture makes the layer.
  rmSync(join(dataDir, "run"), { recursive: true });
  plant(dataDir);
  const again = await captured(dataDir, layers);
  if (again !== digest) defects.push(`the next capture is ${again}`);
  const verdict = await layers.verify(digest);
  if (!verdict.ok) defects.push(`the next capture is damaged: ${verdict.reason}`);
  if (readFileSync(join(dataDir, "run/outside"), "utf8") !== "shared") defects.push("changed");
  await layers.sweep(everything, never);
  const left = readdirSync(join(dataDir, "layers"), { recursive: true });
  if (left.join() !== "incoming") defects.push(`left after the sweep: ${left}`);
  return defects;
}

/** Most of a death is waiting for disks and starts. */
async function sideBySide<T>(all: T[], work: (one: T) => Promise<void>): Promise<void> {
  const next = all[Symbol.iterator]();
  const worker = async () => {
    for (const one of next) await work(one);
  };
  await Promise.all([worker(), worker(), worker()]);
}

function moments(call: string, count: number): number[] {
  const all = Array.from({ length: count }, (_, index) => index + 1);
  if (isSoak || important.includes(call)) return all;
  return sampled.includes(call) ? [Math.ceil(count / 2)] : [];
}

const parts: Part[] = mayAttach() ? ["main", "worker"] : ["main"];
const timeout = isSoak ? 3_600_000 : 300_000;

/** Plays a work again and again, each time with its fault at another call. */
async function playAll(
  { name, work, part }: { name: string; work: Work; part: Part },
  faultOf: (call: string) => string | undefined,
  check: (dataDir: string, said: string) => Promise<string[]>,
): Promise<string[]> {
  const counted = await learn(work, part);
  // Control: what is done to be durable was seen.
  if (part === "main") expect(counted.get("fsync"), "fsync").toBeGreaterThan(0);
  const faults = [...counted].flatMap(([call, count]) => {
    const fault = faultOf(call);
    return fault === undefined ? [] : moments(call, count).map((k) => ({ call, fault, count, k }));
  });
  const found: string[] = [];
  await sideBySide(faults, async ({ call, fault, count, k }) => {
    const dataDir = await prepared(work);
    const said = await play(work, part, dataDir, { calls: call, fault: `${fault}:when=${k}` });
    const defects = await check(dataDir, said);
    if (defects.length > 0) found.push(`${call} ${k} of ${count}: ${defects.join("; ")}`);
    rmSync(dataDir, { recursive: true, force: true });
  });
  process.stdout.write(`${name}, ${part}: ${faults.length} faults\n`);
  return found;
}

for (const [name, work] of Object.entries(works)) {
  describe(`kill -9 in the middle of ${name}`, { timeout }, () => {
    for (const part of parts) {
      it(`on its ${part} thread leaves no half layer, no wrong one, and nothing after the sweep`, async () => {
        const found = await playAll(
          { name, work, part },
          () => "signal=SIGKILL",
          (dataDir) => defectsIn(dataDir, work),
        );
        expect(found).toEqual([]);
      });
    }
  });
}

/** Those whose failure is that of a disk or of its space, and not of a thread or a program that cannot start. */
const ofTheDisk = (call: string) => !["write", "writev", "clone", "clone3", "vfork"].includes(call);

for (const name of mayAttach() ? ["a capture", "an import"] : []) {
  describe(`a disk that fails in the middle of ${name}`, { timeout }, () => {
    for (const part of parts) {
      it(`on its ${part} thread is told, and the run has its tree again or the layer is there`, async () => {
        const work = works[name];
        if (work === undefined) throw new Error(name);
        const found = await playAll(
          { name, work, part },
          (call) => (ofTheDisk(call) ? "error=ENOSPC" : undefined),
          async (dataDir, said) => {
            const tree = join(dataDir, "run/tree");
            const layer = join(dataDir, "layers", digest.slice("sha256:".length));
            const defects: string[] = [];
            if (!/^(done|failed )/.test(said)) defects.push(`it said ${JSON.stringify(said)}`);
            if (said === "done" && !existsSync(layer)) defects.push("done, and no layer");
            const isBack = existsSync(join(tree, "bin/tool"));
            if (!isBack && !existsSync(layer)) defects.push(`neither tree nor layer: ${said}`);
            if (isBack && (statSync(tree).mode & 0o700) !== 0o700) defects.push("locked");
            return [...defects, ...(await defectsIn(dataDir, work))];
          },
        );
        expect(found).toEqual([]);
      });
    }
  });
}
