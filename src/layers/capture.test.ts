/** Trees of a run that become layers: C01, C04, C07-C09, C11, C16, C18 and C19 of the catalogue of attacks. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads, type Threads } from "../base/threads.ts";
import { openRoot } from "../base/tree.ts";
import { syncFilesystem } from "../sandbox/sandbox.ts";
import { captureTree } from "./capture.ts";
import type { TreeLimits } from "./found.ts";
import { openLayers } from "./layers.ts";
import { readManifest } from "./manifest.ts";
import { layerDirectory, removeSealed } from "./places.ts";
import type { Published, Publisher, StoredLayer } from "./publish.ts";
import { publisherIn, roomy } from "./publisher.testing.ts";

const isRoot = process.getuid?.() === 0;
const never = new AbortController().signal;

let data: string;
let run: string;
let threads: Threads;
let publisher: Publisher;
beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), "airlock-layers-"));
  run = join(data, "run");
  mkdirSync(run);
  threads = openThreads({ log: openLog("silent") });
  publisher = publisherIn(data, threads, syncFilesystem);
});
afterAll(async () => {
  await threads.close();
  removeSealed(data);
});

/** Captures `run/<path>`. */
async function capture(path: string, over: Partial<Publisher> = {}): Promise<Published> {
  const root = openRoot(run);
  try {
    return await captureTree({ ...publisher, ...over }, { root, path }, never);
  } finally {
    closeSync(root);
  }
}

async function captured(path: string): Promise<StoredLayer> {
  const published = await capture(path);
  if (!published.ok) throw new Error(published.reason);
  return published.layer;
}

const treeOf = ({ digest }: StoredLayer) => join(layerDirectory(publisher.places, digest), "tree");
const entriesIn = (layer: StoredLayer) =>
  readManifest(readFileSync(join(treeOf(layer), "../manifest")));
let count = 0;
/** A new directory of the run. */
function newTree(): string {
  const name = `tree-${count++}`;
  mkdirSync(join(run, name));
  return name;
}

/** The same things, written down with other times, owners, modes of no meaning, order and links. */
function plantSame(name: string, random: () => number): void {
  const at = (path: string) => join(run, name, path);
  const files: [string, string, number][] = [
    ["a", "one", 0o600],
    ["bin/tool", "#!/bin/sh\n", 0o700],
    ["bin/twin", "#!/bin/sh\n", 0o700],
    ["lib/deep/er/x.py", "x = 1\n".repeat(10), 0o600],
    ["lib/é", "umlaut", 0o600],
    ["Lib/A", "another case", 0o600],
  ];
  const shuffled = files.map((file) => ({ file, key: random() })).sort((a, b) => a.key - b.key);
  for (const { file } of shuffled) {
    const [path, text, mode] = file;
    mkdirSync(at(join(path, "..")), { recursive: true, mode: random() < 0.5 ? 0o755 : 0o777 });
    const twin = path === "bin/twin" ? at("bin/tool") : at("bin/twin");
    if (text.startsWith("#!") && random() < 0.5 && existsSync(twin)) linkSync(twin, at(path));
    else writeFileSync(at(path), text);
    // The group's and others' bits, and the sticky and setuid bits, are nobody's business.
    chmodSync(at(path), mode | Math.floor(random() * 0o100) | (random() < 0.5 ? 0o4000 : 0));
    if (isRoot && random() < 0.5) chownSync(at(path), 600_000 + Math.floor(random() * 9), 600_000);
  }
  mkdirSync(at("empty"));
  symlinkSync("../bin/tool", at("lib/link"));
  for (const [path] of files) lutimesSync(at(path), random() * 1e9, random() * 1e9);
}

describe("the same tree", () => {
  it("has one digest, in whatever order, with whatever times, owners, modes and hard links", async () => {
    const digests = new Set<string>();
    for (let round = 0; round < 100; round++) {
      const name = newTree();
      const umask = process.umask(round % 2 === 0 ? 0o022 : 0o077);
      plantSame(name, Math.random);
      process.umask(umask);
      digests.add((await captured(name)).digest);
    }
    expect([...digests]).toHaveLength(1);
  });

  it("is one copy, when twenty runs capture it at once", async () => {
    const names = Array.from({ length: 20 }, () => {
      const name = newTree();
      plantSame(name, () => 0.25);
      writeFileSync(join(run, name, "own"), "of these twenty");
      return name;
    });
    const layers = await Promise.all(names.map(captured));
    expect(new Set(layers.map(({ digest }) => digest)).size).toBe(1);
    expect(layers.filter(({ existed }) => !existed)).toHaveLength(1);
    await publisher.naming.cleared();
    expect(readdirSync(publisher.places.incoming)).toEqual([]);
  });
});

describe("a layer", () => {
  it("holds what the tree held, read-only and the gateway's own, and its manifest says so", async () => {
    const name = newTree();
    plantSame(name, () => 0.75);
    symlinkSync("/etc/shadow", join(run, name, "evil"));
    const layer = await captured(name);
    expect(existsSync(join(run, name))).toBe(false);
    const tree = treeOf(layer);
    expect(readFileSync(join(tree, "lib/deep/er/x.py"), "utf8")).toBe("x = 1\n".repeat(10));
    const manifest = entriesIn(layer);
    for (const { path, type, executable } of manifest) {
      const stats = lstatSync(Buffer.concat([Buffer.from(`${tree}/`), path]));
      expect([stats.uid, stats.nlink > 1 && type === "file"]).toEqual([process.getuid?.(), false]);
      const mode = type === "directory" || executable ? 0o555 : 0o444;
      if (type !== "symlink") expect(stats.mode & 0o7777, path.toString()).toBe(mode);
    }
    expect(manifest.find(({ path }) => path.toString() === "evil")?.target?.toString()).toBe(
      "/etc/shadow",
    );
    expect(layer).toMatchObject({ fileCount: 6, existed: false });
  });

  it("cannot be written through a hard link that was made before", async () => {
    const name = newTree();
    writeFileSync(join(run, name, "f"), "as captured");
    const other = join(run, `${name}-outside`);
    linkSync(join(run, name, "f"), other);
    const layer = await captured(name);
    chmodSync(other, 0o600);
    writeFileSync(other, "rewritten");
    expect(readFileSync(join(treeOf(layer), "f"), "utf8")).toBe("as captured");
  });

  it("keeps names of any bytes apart", async () => {
    const name = newTree();
    for (const byte of ["\xff", "\xfe", "\n", "\t", " ", "-rf", "CON", "a:b"]) {
      writeFileSync(Buffer.from(`${join(run, name)}/${byte}`, "latin1"), byte);
    }
    expect((await captured(name)).fileCount).toBe(8);
  });

  it("counts a hole as the bytes that it reads as", async () => {
    const name = newTree();
    writeFileSync(join(run, name, "hole"), "");
    truncateSync(join(run, name, "hole"), 50_000_000);
    const sparse = await captured(name);
    expect(sparse.sizeBytes).toBe(50_000_000);
    const full = newTree();
    writeFileSync(join(run, full, "hole"), Buffer.alloc(50_000_000));
    expect((await captured(full)).digest).toBe(sparse.digest);
  });

  it("is made of a tree that its owner has locked, too", async () => {
    const name = newTree();
    mkdirSync(join(run, name, "d"));
    writeFileSync(join(run, name, "d/f"), "x");
    chmodSync(join(run, name, "d/f"), 0);
    chmodSync(join(run, name, "d"), 0);
    expect((await captured(name)).fileCount).toBe(1);
  });

  it("of nothing is a layer as well", async () => {
    expect(entriesIn(await captured(newTree()))).toEqual([]);
  });
});

describe("what can be no layer is refused with the reason, and stays where it was", () => {
  const refusal = async (path: string, limits: Partial<TreeLimits> = {}) => {
    const published = await capture(path, { limits: { ...roomy, ...limits } });
    await publisher.naming.cleared();
    expect(readdirSync(publisher.places.incoming)).toEqual([]);
    return published.ok ? "captured" : published.reason;
  };

  it("a path that is missing, a file, a link, or behind a link", async () => {
    const name = newTree();
    writeFileSync(join(run, name, "file"), "");
    symlinkSync("/etc", join(run, name, "link"));
    expect(await refusal(`${name}/absent`)).toBe("there is no such directory");
    expect(await refusal(`${name}/file`)).toBe("it is no directory");
    expect(await refusal(`${name}/link`)).toBe("it is a symlink");
    expect(await refusal(`${name}/link/ssl`)).toContain("a link is on the way");
    expect(existsSync("/etc/ssl") || existsSync("/etc")).toBe(true);
  });

  it("a FIFO or a socket, without waiting for anybody to write to it", async () => {
    const name = newTree();
    execFileSync("mkfifo", [join(run, name, "pipe")]);
    expect(await refusal(name)).toBe('"pipe" is a device, a socket or a FIFO');
    expect(lstatSync(join(run, name, "pipe")).isFIFO()).toBe(true);
  });

  it("too many entries, too many bytes, too deep, too long", async () => {
    const name = newTree();
    mkdirSync(join(run, name, "a/b/c"), { recursive: true });
    writeFileSync(join(run, name, "a/b/c/f"), "12345");
    writeFileSync(join(run, name, "g"), "12345");
    expect(await refusal(name, { entries: 4 })).toBe("it has more than 4 entries");
    expect(await refusal(name, { fileBytes: 4 })).toContain("has 5 bytes, expected at most 4");
    expect(await refusal(name, { totalBytes: 9 })).toBe("it has more than 9 bytes");
    expect(await refusal(name, { depth: 2 })).toContain("is deeper than 2 directories");
    expect(await refusal(name, { pathBytes: 6 })).toContain("is longer than 6 bytes");
    expect(await refusal(name)).toBe("captured");
  });

  it("more levels than the kernel takes in one path", async () => {
    const name = newTree();
    const script = 'cd "$0"; for i in $(seq 40); do mkdir $1; cd $1; done';
    execFileSync("sh", ["-c", script, join(run, name), "d".repeat(100)]);
    expect(await refusal(name, { depth: 1000 })).toContain("is longer than");
    chmodSync(join(run, name), 0o555);
    removeSealed(join(run, name));
    expect(existsSync(join(run, name))).toBe(false);
  });
});

describe("a gateway that died in the middle", () => {
  it("leaves nothing to the next one", async () => {
    const incoming = join(publisher.places.incoming, "left");
    mkdirSync(join(incoming, "tree/d"), { recursive: true });
    writeFileSync(join(incoming, "tree/d/f"), "half");
    chmodSync(join(incoming, "tree/d"), 0o555);
    const log = openLog("silent");
    const next = openLayers({ dataDir: data, clock: systemClock, log, threads, syncFilesystem });
    await next.sweep({ keep: new Set(next.list()), before: 0 }, never);
    await publisher.naming.cleared();
    expect(readdirSync(publisher.places.incoming)).toEqual([]);
  });

  it("or a damaged layer is put right by the next capture of the same tree", async () => {
    const name = newTree();
    writeFileSync(join(run, name, "f"), "of a damaged one");
    const layer = await captured(name);
    renameSync(join(treeOf(layer), "../manifest"), join(data, "taken-away"));
    const again = newTree();
    writeFileSync(join(run, again, "f"), "of a damaged one");
    expect(await captured(again)).toMatchObject({ digest: layer.digest, existed: false });
    expect(readFileSync(join(treeOf(layer), "f"), "utf8")).toBe("of a damaged one");
  });
});
