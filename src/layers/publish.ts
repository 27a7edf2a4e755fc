import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Threads } from "../base/threads.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { digestOf, writeManifest } from "./manifest.ts";
import {
  type LayerPlaces,
  layerDirectory,
  newIncoming,
  removeSealed,
  syncDirectory,
} from "./places.ts";
import {
  type FoundEntry,
  type Listed,
  listTree,
  type Owner,
  type Sealed,
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
  entries: LayerEntry[];
  /** The same tree was there before. */
  existed: boolean;
}

export type Published = { ok: true; layer: StoredLayer } | { ok: false; reason: string };

export interface Publisher {
  places: LayerPlaces;
  threads: Threads;
  limits: TreeLimits;
  /** Who owns layers: the gateway when it may give files away, else null. */
  owner: Owner | null;
  /** Resolves once everything of the filesystem that holds the path is on disk: cheaper than file by file. */
  syncFilesystem: (path: string) => Promise<void>;
}

const listTask = { module: sealThread, work: listTree };
const filesTask = { module: sealThread, work: sealFiles };
const linksTask = { module: sealThread, work: sealLinks };
const directoriesTask = { module: sealThread, work: sealDirectories };

/**
 * Makes `<incoming>/tree` a layer: lists it, makes it read-only and the gateway's own, hashes it where it lies, and
 * gives it its name by one rename, after every byte and name of it is on disk. Whatever is refused or fails leaves
 * `incoming` to its owner. `onProgress` is told of bytes that have been hashed.
 */
export async function publish(
  { places, threads, limits, owner, syncFilesystem }: Publisher,
  incoming: string,
  signal: AbortSignal,
  onProgress: (bytes: number) => void = () => undefined,
): Promise<Published> {
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
  await syncFilesystem(places.root);
  const existed = name(places, incoming, digest, manifest);
  const sizeBytes = sealed.reduce((sum, { size }) => sum + size, 0);
  return { ok: true, layer: { digest, fileCount: files.length, sizeBytes, entries, existed } };
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
): Promise<Sealed[]> {
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

/** Gives a layer its name. Whether there was one of that name, which is the same one and stays. */
function name(places: LayerPlaces, incoming: string, digest: string, manifest: Buffer): boolean {
  const directory = layerDirectory(places, digest);
  if (isWhole(places, directory, manifest)) {
    removeSealed(incoming);
    // Young again: a sweep must not take it before this capture has written down that it is used.
    const now = new Date();
    utimesSync(directory, now, now);
    // Whoever renamed it may have died, or still be busy, before this.
    syncDirectory(places.root);
    return true;
  }
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  const fd = openSync(join(incoming, "manifest"), O_WRONLY | O_CREAT | O_EXCL, 0o400);
  try {
    for (let done = 0; done < manifest.length; ) done += writeSync(fd, manifest, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  syncDirectory(incoming);
  renameSync(incoming, directory);
  syncDirectory(places.root);
  return false;
}

function isWhole(places: LayerPlaces, directory: string, manifest: Buffer): boolean {
  const path = join(directory, "manifest");
  if (!existsSync(directory)) return false;
  if (existsSync(path) && readFileSync(path).equals(manifest)) return true;
  // Damaged by something else than us; the tree that has just been made is sound. By one rename, so that a gateway that
  // dies in the middle leaves no half layer under its name.
  const aside = newIncoming(places);
  renameSync(directory, join(aside, "damaged"));
  removeSealed(aside);
  return false;
}
