import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { Blobs } from "../content/content.ts";
import type { BundleEntry } from "../contract/bundle.ts";
import { Problem } from "../contract/problem.ts";
import { atMost } from "./at-most.ts";
import type { Bundles } from "./bundles.ts";
import { directoriesOf, placedMode, treeCheckThread, treeProblem } from "./tree-check.ts";

/** A bundle that is being used: its tree stays where it is until it is released. */
export interface OpenedBundle {
  contentHash: string;
  /** The host path of its tree, which only the gateway can change. */
  tree: string;
  release(): void;
}

/** Bundles as directories, for sandboxes to mount: made of blobs, so they can be made anew at any time. */
export interface BundleTrees {
  /**
   * Holds the tree of a bundle, which all runs that were given the same content share. It is made when it is not there, and
   * when it is not what the bundle is: all of it is read once after each start. Throws `digest_mismatch` or `not_found` when
   * a blob of the bundle is damaged or gone.
   */
  open(contentHash: string): Promise<OpenedBundle>;
  /** The content of every tree on disk. */
  list(): string[];
  /** Removes the trees that nobody holds and nothing refers to. Gives how many. */
  sweep(isReferenced: (contentHash: string) => Promise<boolean>, dryRun?: boolean): Promise<number>;
}

export interface BundleTreesOptions {
  dataDir: string;
  blobs: Pick<Blobs, "get">;
  entries: Bundles["entries"];
  threads: Threads;
  log: Log;
}

/**
 * Opens the trees of bundles below a data directory. Nothing is forced to the disk here: a tree that a power cut has left
 * half-written is not what its bundle is when it is next used, and is made anew.
 */
export function openBundleTrees(options: BundleTreesOptions): BundleTrees {
  const { blobs, entries, threads, log } = options;
  const root = join(options.dataDir, "bundles");
  const incoming = join(root, "incoming");
  mkdirSync(incoming, { recursive: true, mode: 0o700 });
  // Runs may pass through to what is mounted for them, and list nothing.
  chmodSync(root, 0o711);
  chmodSync(incoming, 0o700);
  const clearing = clear(incoming, readdirSync(incoming), log);
  const held = openHolds();
  /** Those that were found to be what they are since this gateway was started. */
  const verified = new Set<string>();
  const preparing = new Map<string, Promise<void>>();
  // Each may hold all of its files in memory, and a run may ask for 64 at once.
  const inTurn = atMost(limits.bundlesPlacedAtOnce);
  const placeOf = (contentHash: string) => join(root, contentHash.slice("sha256:".length));

  async function prepare(contentHash: string): Promise<void> {
    const place = placeOf(contentHash);
    const files = await entries(contentHash);
    if (isThere(place)) {
      const order = { root: join(place, "tree"), entries: files };
      const problem = await threads
        .run({ module: treeCheckThread, work: treeProblem }, order)
        .catch((error: unknown) => String(error));
      if (problem === null) return;
      log.warn({ bundle: contentHash, problem }, "bundle.made_anew");
      await removeAside(place, incoming);
    }
    const fresh = join(incoming, randomUUID());
    try {
      await writeTree(fresh, files, blobs);
      renameSync(fresh, place);
    } catch (error) {
      await removeTree(fresh);
      throw error;
    }
  }

  async function ready(contentHash: string): Promise<void> {
    await clearing;
    const isKnown = verified.has(contentHash) && isThere(placeOf(contentHash));
    if (isKnown && !preparing.has(contentHash)) return;
    let mine = preparing.get(contentHash);
    if (mine === undefined) {
      mine = inTurn(() => prepare(contentHash))
        .then(() => void verified.add(contentHash))
        .finally(() => preparing.delete(contentHash));
      preparing.set(contentHash, mine);
    }
    await mine;
  }

  const list = () => {
    const names = readdirSync(root).filter((name) => /^[0-9a-f]{64}$/.test(name));
    return names.map((name) => `sha256:${name}`);
  };

  return {
    list,
    async open(contentHash) {
      const release = held.take(contentHash);
      try {
        await ready(contentHash);
        return { contentHash, tree: join(placeOf(contentHash), "tree"), release };
      } catch (error) {
        release();
        throw error;
      }
    },
    async sweep(isReferenced, dryRun = false) {
      let removed = 0;
      for (const contentHash of list()) {
        if (held.has(contentHash) || (await isReferenced(contentHash))) continue;
        // Asked again, because somebody may have taken it meanwhile.
        if (held.has(contentHash)) continue;
        removed += 1;
        if (dryRun) continue;
        verified.delete(contentHash);
        await removeAside(placeOf(contentHash), incoming);
      }
      return removed;
    },
  };
}

/** Who uses what, counted. */
function openHolds() {
  const counts = new Map<string, number>();
  const add = (name: string, more: number) => {
    const count = (counts.get(name) ?? 0) + more;
    if (count > 0) counts.set(name, count);
    else counts.delete(name);
  };
  return {
    has: (name: string) => counts.has(name),
    take(name: string): () => void {
      add(name, 1);
      return () => add(name, -1);
    },
  };
}

function isThere(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false }) !== undefined;
}

const filesAtOnce = 8;

/** Writes all of a bundle below a directory of its own. Its files are copies: who could write one would write the blob. */
async function writeTree(
  fresh: string,
  files: readonly BundleEntry[],
  blobs: Pick<Blobs, "get">,
): Promise<void> {
  const tree = join(fresh, "tree");
  await mkdir(tree, { recursive: true });
  const directories = directoriesOf(files);
  for (const path of directories) await mkdir(join(tree, path));
  const waiting = [...files];
  const place = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const path = join(tree, file.path);
      // Reading verifies it (I8).
      const bytes = await blobs.get(file.sha256);
      if (bytes.length !== file.size) throw wrongSize(file, bytes.length);
      await writeFile(path, bytes, { flag: "wx", mode: 0o600 });
      // Whatever the gateway's umask is.
      await chmod(path, placedMode(file.mode));
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: filesAtOnce }, place));
  // Only once none is at work any more, so that nothing is written into what is removed.
  for (const one of settled) if (one.status === "rejected") throw one.reason;
  for (const path of directories.reverse()) await chmod(join(tree, path), 0o555);
  await chmod(tree, 0o555);
  await chmod(fresh, 0o711);
}

function wrongSize({ path, size }: BundleEntry, bytes: number): Problem {
  const message = `${JSON.stringify(path)} has ${bytes} bytes, and ${size} by the manifest of its bundle`;
  return new Problem("digest_mismatch", message);
}

/** Moved first, so that nobody finds half of it. */
async function removeAside(place: string, incoming: string): Promise<void> {
  const aside = join(incoming, randomUUID());
  renameSync(place, aside);
  await removeTree(aside);
}

/** Removes a read-only tree of the gateway's own. */
async function removeTree(path: string): Promise<void> {
  await openForRemoval(path);
  await rm(path, { recursive: true, force: true });
}

async function openForRemoval(path: string): Promise<void> {
  if (!isThere(path)) return;
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await openForRemoval(join(path, entry.name));
  }
}

/** What a gateway that died was in the middle of. */
async function clear(incoming: string, names: readonly string[], log: Log): Promise<void> {
  for (const name of names) {
    await removeTree(join(incoming, name)).catch((error: unknown) => {
      log.warn({ err: error }, "bundle.remains");
    });
  }
}
