/**
 * Trees that a run prepared against whoever captures them, and layers that another one would like to have written: A24-A27,
 * C01, C05, C06, C08, C10, C11 and C20 of the catalogue of attacks. Evidence is what the host has afterwards: canaries with
 * their bytes, modes and times, and every byte of the layer. Archives are attacked in `src/layers/tar-read.test.ts`, stored
 * layers in `src/layers/open-layers.test.ts`.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../src/base/clock.ts";
import { openLog } from "../src/base/log.ts";
import { openThreads } from "../src/base/threads.ts";
import { openRoot } from "../src/base/tree.ts";
import { type LayerTrees, openLayers, type Published } from "../src/layers/layers.ts";
import { syncFilesystem } from "../src/sandbox/sandbox.ts";
import { isSoak, times } from "./support/soak.ts";
import { newDataDir } from "./support/start-gateway.ts";

const isRoot = process.getuid?.() === 0;
const never = new AbortController().signal;
const log = openLog("silent");
const threads = openThreads({ log });
afterAll(() => threads.close());

let dataDir: string;
let run: string;
let canary: string;
let layers: LayerTrees;
let before: unknown;
beforeEach(() => {
  dataDir = newDataDir();
  run = join(dataDir, "run");
  canary = join(dataDir, "canary");
  mkdirSync(run);
  mkdirSync(canary, { mode: 0o751 });
  writeFileSync(join(canary, "secret"), "of the host", { mode: 0o640 });
  before = factsOf(canary);
  layers = openLayers({ dataDir, clock: systemClock, log, threads, syncFilesystem });
});
afterEach(async () => {
  expect(factsOf(canary)).toEqual(before);
  await layers.sweep({ keep: new Set(), before: Number.POSITIVE_INFINITY }, never);
  expect(readdirSync(join(dataDir, "layers"), { recursive: true })).toEqual(["incoming"]);
  rmSync(dataDir, { recursive: true, force: true });
});

/** All that a capture could have done to files that are not its own. */
function factsOf(directory: string): unknown {
  return [".", ...readdirSync(directory)].map((name) => {
    const path = join(directory, name);
    const { ino, mode, uid, gid, size, mtimeMs, ctimeMs } = lstatSync(path);
    return { name, ino, mode, uid, gid, size, mtimeMs, ctimeMs };
  });
}

async function capture(path = "tree", onProgress?: (bytes: number) => void): Promise<Published> {
  const root = openRoot(run);
  try {
    return await layers.capture({ root, path }, never, onProgress);
  } finally {
    closeSync(root);
  }
}

async function captured(): Promise<string> {
  const published = await capture();
  if (!published.ok) throw new Error(published.reason);
  return published.layer.digest;
}

const treeOf = (digest: string) => join(dataDir, "layers", digest.slice("sha256:".length), "tree");

function plant(files: Record<string, string>): string {
  const tree = join(run, "tree");
  mkdirSync(tree, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(tree, name), content);
  return tree;
}

describe("what is captured", () => {
  it("C01: keeps links as links, wherever they lead, and nothing of what they lead to", async () => {
    const tree = plant({ own: "own" });
    symlinkSync(join(canary, "secret"), join(tree, "to-file"));
    symlinkSync(canary, join(tree, "to-directory"));
    symlinkSync("../../../../canary/secret", join(tree, "up"));
    symlinkSync("nowhere", join(tree, "dangling"));
    const digest = await captured();
    const entries = await layers.entries(digest);
    const shown = entries.map(({ path, type, target }) => `${path} ${type} ${target ?? ""}`);
    expect(shown).toEqual([
      "dangling symlink nowhere",
      "own file ",
      `to-directory symlink ${canary}`,
      `to-file symlink ${join(canary, "secret")}`,
      "up symlink ../../../../canary/secret",
    ]);
  });

  it("A24: is no link, at no place of its path", async () => {
    symlinkSync(canary, join(run, "tree"));
    mkdirSync(join(run, "d"));
    symlinkSync(canary, join(run, "d/link"));
    expect(await capture("tree")).toEqual({ ok: false, reason: "it is a symlink" });
    expect(await capture("d/link")).toEqual({ ok: false, reason: "it is a symlink" });
    expect(await capture("d/link/secret")).toMatchObject({ ok: false });
    expect(lstatSync(join(run, "tree")).isSymbolicLink()).toBe(true);
  });

  it("C04: is not what waits for somebody: a FIFO, a socket, a device", async () => {
    execFileSync("mkfifo", [join(plant({}), "pipe")]);
    expect(await capture()).toMatchObject({ ok: false, reason: expect.stringContaining("FIFO") });
    rmSync(join(run, "tree/pipe"));
    const server = createServer().listen(join(run, "tree/socket"));
    await once(server, "listening");
    expect(await capture()).toMatchObject({ ok: false, reason: expect.stringContaining("socket") });
    server.close();
    await once(server, "close");
    if (isRoot) {
      execFileSync("mknod", [join(run, "tree/null"), "c", "1", "3"]);
      expect(await capture()).toMatchObject({
        ok: false,
        reason: expect.stringContaining("device"),
      });
    }
    expect(existsSync(join(run, "tree"))).toBe(true);
  });

  it("C05: gives nobody power: no setuid, setgid, sticky or write bit and no capability", async () => {
    const tree = plant({ tool: "#!/bin/sh\n", open: "x" });
    mkdirSync(join(tree, "d"));
    // An owner who is not the gateway: the kernel takes some bits away when that changes, which must not be relied on.
    if (isRoot) chownSync(join(tree, "tool"), 600_000, 600_000);
    if (isRoot) {
      const set =
        'import os,sys; os.setxattr(sys.argv[1], "security.capability", bytes.fromhex(sys.argv[2]))';
      const capability = `0100000200040000${"0".repeat(24)}`;
      for (const name of ["tool", "open"]) {
        execFileSync("python3", ["-c", set, join(tree, name), capability]);
        expect(attributes(join(tree, name))).toContain("security.capability");
      }
    }
    chmodSync(join(tree, "tool"), 0o7777);
    chmodSync(join(tree, "open"), 0o666);
    chmodSync(join(tree, "d"), 0o3777);
    const digest = await captured();
    const modeOf = (name: string) => statSync(join(treeOf(digest), name)).mode & 0o7777;
    expect([modeOf("tool"), modeOf("open"), modeOf("d")]).toEqual([0o555, 0o444, 0o555]);
    for (const name of ["tool", "open"]) {
      expect(attributes(join(treeOf(digest), name))).not.toContain("security.capability");
    }
  });

  it("C06, C08: has every name that it had, and no two of them become one", async () => {
    const names = ["A", "a", "\u00e9", "e\u0301", "\u00df", "ss", "x".repeat(255), "\u202egpj.exe"];
    const odd = ["CON", "a:b", "-rf", "a b", "a\\b", "\n", "\t", "..."];
    plant(Object.fromEntries([...names, ...odd].map((name) => [name, name])));
    const digest = await captured();
    const entries = await layers.entries(digest);
    expect(entries.map(({ path }) => path.toString()).sort()).toEqual([...names, ...odd].sort());
    for (const name of [...names, ...odd]) {
      expect(readFileSync(join(treeOf(digest), name), "utf8")).toBe(name);
    }
  });

  it("C11: has one name in every time zone", async () => {
    const digests = new Set<string>();
    const zone = process.env.TZ;
    for (const name of ["UTC", "Pacific/Kiritimati", "America/St_Johns"]) {
      process.env.TZ = name;
      plant({ "a.txt": "a" });
      digests.add(await captured());
    }
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
    expect(digests.size).toBe(1);
  });
});

function attributes(path: string): string {
  const list = "import os,sys; print(os.listxattr(sys.argv[1], follow_symlinks=False))";
  return execFileSync("python3", ["-c", list, path], { encoding: "utf8" });
}

/** A file each of more pieces than the threads have at once. */
const manyFiles = 8_000;

describe("a tree that changes while it is captured", () => {
  it("C10: is given back whole when a file has grown, and can be worked with", async () => {
    const tree = plant({});
    for (let n = 0; n < manyFiles; n++) writeFileSync(join(tree, `f${n}`), "x");
    if (isRoot) chownSync(tree, 600_000, 600_000);
    // A descriptor that was opened before the capture, as only a process that is still alive has one.
    const open = Array.from({ length: manyFiles }, (_, n) => n).filter((n) => n % 200 === 0);
    const files = open.map((n) => openSync(join(tree, `f${n}`), "a"));
    let told = 0;
    const failure = capture("tree", () => {
      told += 1;
      if (told === 1) for (const fd of files) writeSync(fd, "more");
    });
    await expect(failure).rejects.toThrow("bytes, and had 1 when it was listed");
    for (const fd of files) closeSync(fd);
    expect(readdirSync(tree)).toHaveLength(manyFiles);
    const { uid, mode } = statSync(tree);
    expect([uid, mode & 0o700]).toEqual([isRoot ? 600_000 : process.getuid?.(), 0o700]);
    appendFileSync(join(tree, "f0"), "x");
    expect(readdirSync(join(dataDir, "layers/incoming"))).toEqual([]);
  });

  it("A26: is never followed out of its place, however fast its root becomes a link and a directory again", {
    timeout: 300_000,
  }, async () => {
    const until = Date.now() + times(30_000, 2_000);
    const swapping = new Worker(swapper, { eval: true, workerData: { run, canary } });
    let rounds = 0;
    const reasons = new Set<string>();
    const digests = new Set<string>();
    while (Date.now() < until) {
      const published = await capture("tree").catch((error: unknown) => {
        // Its place was taken while it was away, so it cannot be given back to it.
        return {
          ok: false as const,
          reason: (error as NodeJS.ErrnoException).code ?? String(error),
        };
      });
      rounds += 1;
      if (published.ok) digests.add(published.layer.digest);
      else reasons.add(published.reason);
    }
    await swapping.terminate();
    process.stdout.write(`A26: ${rounds} captures, ${[...reasons].join(", ")}\n`);
    // Control: it was met as both.
    expect(digests.size).toBeGreaterThan(0);
    expect(reasons).toContain("it is a symlink");
    for (const digest of digests) {
      const names = (await layers.entries(digest)).map(({ path }) => path.toString());
      expect(names.filter((name) => name !== "own")).toEqual([]);
      expect(await layers.verify(digest)).toEqual({ ok: true });
    }
    expect(factsOf(canary)).toEqual(before);
    layers = openLayers({ dataDir, clock: systemClock, log, threads, syncFilesystem });
  });
});

/** A thread that makes the root of the capture a directory, and a link to the canary, and so on. */
const swapper = `
const { workerData: { run, canary } } = require("node:worker_threads");
const { mkdirSync, renameSync, symlinkSync, writeFileSync } = require("node:fs");
const attempt = (work) => { try { work(); } catch (error) { return error; } };
for (let n = 0; ; n++) {
  attempt(() => { mkdirSync(run + "/next"); writeFileSync(run + "/next/own", "own"); });
  attempt(() => renameSync(run + "/tree", run + "/old" + n));
  attempt(() => renameSync(run + "/next", run + "/tree"));
  attempt(() => symlinkSync(canary, run + "/link"));
  attempt(() => renameSync(run + "/tree", run + "/older" + n));
  attempt(() => renameSync(run + "/link", run + "/tree"));
}`;

describe("a layer that is used", () => {
  /** What a shell of another user of the host says; only root can become one. */
  const asRun = (script: string, ...args: string[]) =>
    spawnSync(
      "setpriv",
      ["--reuid=700001", "--regid=700001", "--clear-groups", "sh", "-c", script, "sh", ...args],
      {
        encoding: "utf8",
      },
    );

  it("A27: can be read by every run and written by none, whoever captured it", async () => {
    const tree = plant({ "lib.py": "x = 1\n" });
    mkdirSync(join(tree, "d"));
    if (isRoot) execFileSync("chown", ["-R", "700001:700001", tree]);
    const { digest, tree: mounted, release } = await layers.open(await captured());
    chmodSync(dataDir, 0o711);
    const write =
      'echo evil >"$1/lib.py" || echo evil >"$1/d/new" || mv "$1/lib.py" "$1/d/" || chmod u+w "$1/lib.py"';
    if (isRoot) {
      const read = asRun('cat "$1/lib.py"', mounted);
      expect([read.stdout, read.stderr]).toEqual(["x = 1\n", ""]);
      expect(asRun(write, mounted).status).not.toBe(0);
      expect(asRun('ls "$1"', join(dataDir, "layers")).status).not.toBe(0);
      expect(asRun('cat "$1/../manifest"', mounted).status).not.toBe(0);
    }
    expect(await layers.verify(digest)).toEqual({ ok: true });
    release();
  });

  it("C20: stays, whole, while sweeps come as fast as they can and others capture the same", async () => {
    plant({ own: "of many" });
    const digest = await captured();
    const until = Date.now() + times(30_000, 1_500);
    let held = 0;
    const sweeping = (async () => {
      while (Date.now() < until) {
        await layers.sweep({ keep: new Set(), before: Number.POSITIVE_INFINITY }, never);
        await setImmediate();
      }
    })();
    while (Date.now() < until) {
      const opened = await layers.open(digest).catch(() => undefined);
      if (opened === undefined) {
        plant({ own: "of many" });
        expect(await captured()).toBe(digest);
        continue;
      }
      for (let turn = 0; turn < 5; turn++) await setImmediate();
      expect(readFileSync(join(opened.tree, "own"), "utf8")).toBe("of many");
      opened.release();
      held += 1;
    }
    await sweeping;
    expect(held).toBeGreaterThan(isSoak ? 100 : 5);
  });
});
