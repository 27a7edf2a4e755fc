import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../base/assert.ts";
import type { Threads } from "../base/threads.ts";
import type { Hashed } from "./hash-whole.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { fingerprintName, fingerprintOf, lookThread, manifestName } from "./look.ts";
import { digestOf, writeManifest } from "./manifest.ts";
import type { Naming } from "./naming.ts";
import type { LayerPlaces } from "./places.ts";
import {
  type FoundEntry,
  type Listed,
  listTree,
  type Owner,
  sealDirectories,
  sealFiles,
  sealLinks,
  sealThread,
  type TreeLimits,
} from "./seal.ts";

/** A layer that is in the store. */
export interface StoredLayer {
  digest: string;
  fileCount: number;
  sizeBytes: number;
  /** The same tree was there before. */
  existed: boolean;
}

export type Published = { ok: true; layer: StoredLayer } | { ok: false; reason: string };

export interface Publisher {
  places: LayerPlaces;
  threads: Threads;
  limits: TreeLimits;
  naming: Naming;
  /** Who owns layers: the gateway when it may give files away, else null. */
  owner: Owner | null;
  /** Resolves once everything of the filesystem that holds the path is on disk: cheaper than file by file. */
  syncFilesystem: (path: string) => Promise<void>;
}

const listTask = { module: sealThread, work: listTree };
const filesTask = { module: sealThread, work: sealFiles };
const linksTask = { module: sealThread, work: sealLinks };
const fingerprintTask = { module: lookThread, work: fingerprintOf };
const directoriesTask = { module: sealThread, work: sealDirectories };

/**
 * Makes `<incoming>/tree` a layer: lists it, makes it read-only and the gateway's own, hashes it where it lies, and
 * gives it its name by one rename, after every byte and name of it is on disk. Whatever is refused or fails leaves
 * `incoming` to its owner. `onProgress` is told of bytes that have been hashed.
 */
export async function publish(
  publisher: Publisher,
  incoming: string,
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => undefined,
): Promise<Published> {
  const { places, threads, limits, owner, syncFilesystem } = publisher;
  const root = join(incoming, "tree");
  const listed: Listed = await threads.run(listTask, { root, limits }, signal);
  if (!listed.ok) return listed;
  const files = listed.entries.filter(({ type }) => type === "file");
  const links = listed.entries.filter(({ type }) => type === "symlink");
  const directories = listed.entries.filter(({ type }) => type === "directory");

  const sealed = await sealAll(files, { threads, root, incoming, owner, signal, onProgress });
  const linkPaths = links.map(({ path }) => path);
  const targets = await threads.run(linksTask, { root, paths: linkPaths, owner }, signal);
  const paths = [...directories.map(({ path }) => path).reverse(), new Uint8Array()];
  await threads.run(directoriesTask, { root, paths, owner }, signal);

  const entries: LayerEntry[] = [
    ...directories.map(({ path }) => entry(path, "directory", {})),
    ...files.map(({ path, executable }, index) => {
      return entry(path, "file", { executable, ...sealed[index] });
    }),
    ...links.map(({ path }, index) => {
      const { target, sha256 } = targets[index] ?? { target: new Uint8Array(), sha256: "" };
      return entry(path, "symlink", { target: Buffer.from(target), sha256 });
    }),
  ];
  const manifest = writeManifest(entries);
  const digest = digestOf(manifest);
  const fingerprint = await threads.run(fingerprintTask, { tree: root, manifest }, signal);
  assert(fingerprint !== undefined, "a tree that nobody can reach keeps its entries");
  writeFileSync(join(incoming, manifestName), manifest, { flag: "wx", mode: 0o400 });
  writeFileSync(join(incoming, fingerprintName), fingerprint, { flag: "wx", mode: 0o400 });
  // Runs pass through it to the tree, which is mounted with their own uid.
  chmodSync(incoming, 0o711);
  await syncFilesystem(places.root);
  const existed = await publisher.naming.give(incoming, digest, signal);
  const sizeBytes = sealed.reduce((sum, { size }) => sum + size, 0);
  return { ok: true, layer: { digest, fileCount: files.length, sizeBytes, existed } };
}

function entry(path: Uint8Array, type: LayerEntry["type"], more: Partial<LayerEntry>): LayerEntry {
  const none = { executable: false, size: 0, sha256: null, target: null };
  return { path: Buffer.from(path), type, ...none, ...more };
}

/** Files of one piece of work: enough to be worth the way to a thread, few enough to be told of progress. */
const pieceFiles = 2_000;
const pieceBytes = 64 * 1024 * 1024;

/** Two threads take pieces as they come, so that one large file does not leave the other idle. */
async function sealAll(
  files: FoundEntry[],
  work: {
    threads: Threads;
    root: string;
    incoming: string;
    owner: Owner | null;
    signal: AbortSignal;
    onProgress: (bytes: number) => void;
  },
): Promise<Hashed[]> {
  const { threads, root, incoming, owner, signal, onProgress } = work;
  const pieces: FoundEntry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    if (bytes > pieceBytes || (pieces.at(-1)?.length ?? pieceFiles) >= pieceFiles) {
      pieces.push([]);
      bytes = 0;
    }
    pieces.at(-1)?.push(file);
    bytes += file.size;
  }
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const going = pieces.map(async (piece, index) => {
    const temporary = join(incoming, `copy-${index}`);
    const order = { root, temporary, files: piece, owner };
    const sealed = await threads.run(filesTask, order, either);
    onProgress(sealed.reduce((sum, { size }) => sum + size, 0));
    return sealed;
  });
  try {
    return (await Promise.all(going)).flat();
  } catch (error) {
    // No thread may be at work on a tree that is about to be removed.
    stop.abort();
    await Promise.allSettled(going);
    throw error;
  }
}
