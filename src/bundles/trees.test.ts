import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { openBlobs } from "../content/content.ts";
import { type BundleEntry, bundleManifest } from "../contract/bundle.ts";
import { entriesOf } from "./manifest.ts";
import { openBundleTrees } from "./trees.ts";

const log = openLog("silent");

async function openRoom(dataDir?: string) {
  const dir = dataDir ?? (await tempDir("bundle-trees"));
  const threads = openThreads({ log });
  onTestFinished(() => threads.close());
  const blobs = await openBlobs({ dir, clock: systemClock, log, threads });
  let reads = 0;
  let atOnce = 0;
  let most = 0;
  const counted = {
    async get(sha256: string) {
      reads += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      try {
        return await blobs.get(sha256);
      } finally {
        atOnce -= 1;
      }
    },
  };
  const entries = async (hash: string) => entriesOf(hash, (await blobs.get(hash)).toString());
  const trees = openBundleTrees({ dataDir: dir, blobs: counted, entries, threads, log });
  /** Keeps a bundle as blobs; its name. */
  const keep = async (files: Record<string, string>): Promise<string> => {
    const made: BundleEntry[] = [];
    for (const [path, text] of Object.entries(files)) {
      const { sha256, bytes } = await blobs.put(Buffer.from(text));
      made.push({ path, mode: path.endsWith(".sh") ? 0o755 : 0o644, size: bytes, sha256 });
    }
    return (await blobs.put(Buffer.from(bundleManifest(made)))).sha256;
  };
  return {
    dir,
    trees,
    keep,
    reads: () => reads,
    mostAtOnce: () => most,
    incoming: join(dir, "bundles/incoming"),
  };
}

const files = { "SKILL.md": "# x", "a/b/run.sh": "#!/bin/sh", "a/c.txt": "c" };
const never = async () => false;

describe("the tree of a bundle", () => {
  it("is in memory while it is made, and so with a few others at most", async () => {
    const { trees, keep, mostAtOnce, incoming } = await openRoom();
    const names = Array.from({ length: 30 }, (_, at) => keep({ large: `${at} `.repeat(100_000) }));
    const hashes = await Promise.all(names);
    const opened = await Promise.all(hashes.map((hash) => trees.open(hash)));
    expect(new Set(opened.map(({ tree }) => readFileSync(join(tree, "large"), "utf8"))).size).toBe(
      30,
    );
    expect(mostAtOnce()).toBeLessThanOrEqual(4);
    expect(readdirSync(incoming)).toEqual([]);
  });

  it("is made once for all who ask for it at the same time, and for those after them", async () => {
    const { trees, keep, reads } = await openRoom();
    const hash = await keep(files);
    const opened = await Promise.all(Array.from({ length: 20 }, () => trees.open(hash)));
    expect(new Set(opened.map(({ tree }) => tree)).size).toBe(1);
    for (const { release } of opened) release();
    await trees.open(hash);
    expect(reads()).toBe(3);
    expect(trees.list()).toEqual([hash]);
  });

  it("holds the files with the modes that everybody can read and nobody can write", async () => {
    const { trees, keep } = await openRoom();
    const { tree } = await trees.open(await keep(files));
    expect(readFileSync(join(tree, "a/b/run.sh"), "utf8")).toBe("#!/bin/sh");
    const mode = (path: string) => statSync(join(tree, path)).mode & 0o7777;
    expect(["", "a", "a/b"].map(mode)).toEqual([0o555, 0o555, 0o555]);
    expect(["SKILL.md", "a/b/run.sh", "a/c.txt"].map(mode)).toEqual([0o444, 0o555, 0o444]);
  });

  it("stays while somebody holds it or something refers to it, and goes after that", async () => {
    const { trees, keep, incoming } = await openRoom();
    const hash = await keep(files);
    const [first, second] = [await trees.open(hash), await trees.open(hash)];
    first.release();
    expect(await trees.sweep(never)).toBe(0);
    second.release();
    expect(await trees.sweep(async (name) => name === hash)).toBe(0);
    expect(await trees.sweep(never, true)).toBe(1);
    expect(existsSync(first.tree)).toBe(true);
    expect(await trees.sweep(never)).toBe(1);
    expect(existsSync(first.tree)).toBe(false);
    expect(readdirSync(incoming)).toEqual([]);
    // It is made anew for whoever comes next.
    expect(existsSync((await trees.open(hash)).tree)).toBe(true);
  });

  it("stays for one who takes it while a sweep asks whether anything refers to it", async () => {
    const { trees, keep } = await openRoom();
    const hash = await keep(files);
    const { release } = await trees.open(hash);
    release();
    let taken: Awaited<ReturnType<typeof trees.open>> | undefined;
    const swept = trees.sweep(async () => {
      taken = await trees.open(hash);
      return false;
    });
    expect(await swept).toBe(0);
    expect(existsSync(join(taken?.tree ?? "", "SKILL.md"))).toBe(true);
  });

  it.each([
    ["other bytes", (tree: string) => writeFileSync(join(tree, "a/c.txt"), "d")],
    ["another mode", (tree: string) => chmodSync(join(tree, "a/b/run.sh"), 0o755)],
    ["a file more", (tree: string) => writeFileSync(join(tree, "a/new"), "")],
    ["a directory more", (tree: string) => mkdirSync(join(tree, "a/new"))],
    ["a file less", (tree: string) => renameSync(join(tree, "a/c.txt"), join(tree, "../c"))],
    ["another name", (tree: string) => renameSync(join(tree, "a/c.txt"), join(tree, "a/C.txt"))],
  ])("is made anew after a start when it has %s", async (_, spoil) => {
    const { dir, trees, keep } = await openRoom();
    const hash = await keep(files);
    const { tree } = await trees.open(hash);
    for (const path of ["", "a", "a/c.txt"]) chmodSync(join(tree, path), 0o755);
    spoil(tree);
    const next = await openRoom(dir);
    await next.trees.open(hash);
    expect(next.reads()).toBe(3);
    expect(readdirSync(tree, { recursive: true }).sort()).toEqual(
      ["SKILL.md", "a", "a/b", "a/b/run.sh", "a/c.txt"].sort(),
    );
    expect(readFileSync(join(tree, "a/c.txt"), "utf8")).toBe("c");
    expect(statSync(join(tree, "a/b/run.sh")).mode & 0o777).toBe(0o555);
    const third = await openRoom(dir);
    await third.trees.open(hash);
    expect(third.reads()).toBe(0);
  });

  it("is not made of a bundle whose bytes are gone, and nothing is left of the attempt", async () => {
    const { dir, trees, keep, incoming } = await openRoom();
    const hash = await keep(files);
    const { sha256 } = entriesOf(hash, readBlob(dir, hash)).find(
      ({ path }) => path === "a/c.txt",
    ) ?? {
      sha256: "",
    };
    renameSync(blobOf(dir, sha256), join(dir, "aside"));
    await expect(trees.open(hash)).rejects.toMatchObject({ code: "not_found" });
    expect([trees.list(), readdirSync(incoming)]).toEqual([[], []]);
    renameSync(join(dir, "aside"), blobOf(dir, sha256));
    expect(existsSync((await trees.open(hash)).tree)).toBe(true);
  });

  it("that a gateway was in the middle of goes with the next start", async () => {
    const { dir, incoming } = await openRoom();
    mkdirSync(join(incoming, "half/tree/a"), { recursive: true });
    writeFileSync(join(incoming, "half/tree/a/f"), "x");
    for (const path of ["half/tree/a", "half/tree"]) chmodSync(join(incoming, path), 0o555);
    const next = await openRoom(dir);
    await next.trees.open(await next.keep(files));
    expect(readdirSync(incoming)).toEqual([]);
  });
});

function blobOf(dir: string, sha256: string): string {
  return join(dir, "blobs", sha256.slice(7, 9), sha256.slice(9));
}

function readBlob(dir: string, sha256: string): string {
  return readFileSync(blobOf(dir, sha256), "utf8");
}
