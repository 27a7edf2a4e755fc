import { chmodSync } from "node:fs";
import { join } from "node:path";
import type { Threads } from "../base/threads.ts";
import { Problem } from "../contract/problem.ts";
import { conclude, concludeThread } from "./conclude.ts";
import type { Owner, TreeLimits } from "./found.ts";
import { type LeftOut, leftOutThread, removeLeftOut } from "./left-out.ts";
import {
  type Listed,
  type ListOrder,
  listThread,
  listTree,
  newShared,
  type Piece,
} from "./list-tree.ts";
import type { Naming } from "./naming.ts";
import type { LayerPlaces } from "./places.ts";
import { sealDirectories, sealFiles, sealLinks, sealThread } from "./seal.ts";

/** A layer that is in the store. */
export interface StoredLayer {
  digest: string;
  fileCount: number;
  sizeBytes: number;
  /** The same tree was there before. */
  existed: boolean;
  /** What was captured with it and is no part of it; see `left-out.ts`. */
  leftOut: LeftOut[];
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

export interface PublishOptions {
  /** Told of bytes that have been hashed. */
  onProgress?: ((bytes: number) => void) | undefined;
  /** The digest that it must be. */
  expected?: string | undefined;
  /** Whether the tree is to be taken as it is, with what `left-out.ts` would leave out. */
  isWhole: boolean;
}

const listTask = { module: listThread, work: listTree };
const filesTask = { module: sealThread, work: sealFiles };
const linksTask = { module: sealThread, work: sealLinks };
const directoriesTask = { module: sealThread, work: sealDirectories };
const leftOutTask = { module: leftOutThread, work: removeLeftOut };
const concludeTask = { module: concludeThread, work: conclude };

/**
 * Makes `<incoming>/tree` a layer: lists it, makes it read-only and the gateway's own, hashes it where it lies, and
 * gives it its name by one rename, after every byte and name of it is on disk. A refused tree is untouched; whatever is
 * refused or fails leaves `incoming` to its owner. Error: `digest_mismatch` when it is not the expected one.
 */
export async function publish(
  publisher: Publisher,
  incoming: string,
  signal: AbortSignal,
  { onProgress = () => undefined, expected, isWhole }: PublishOptions,
): Promise<Published> {
  const { places, threads, syncFilesystem } = publisher;
  const root = join(incoming, "tree");
  const listed = await list(publisher, { root, isWhole }, signal);
  if (!listed.ok) return listed;
  const lines = Buffer.concat(listed.lists.map(({ leftOut }) => leftOut));
  const leftOut = lines.length > 0 ? await threads.run(leftOutTask, { root, lines }, signal) : [];
  const { parts, fileCount, sizeBytes } = await allSealed(publisher, incoming, listed, {
    signal,
    onProgress,
  });
  // Runs pass through it to the tree, which is mounted with their own uid.
  chmodSync(incoming, 0o711);
  // Side by side: what is concluded lies beside the tree, and is synchronised by itself.
  const [digest] = await allSettled(
    threads.run(concludeTask, { incoming, parts }, signal),
    syncFilesystem(places.root),
  );
  if (expected !== undefined && digest !== expected) throw mismatch(digest, expected);
  const existed = await publisher.naming.give(incoming, digest, signal);
  return { ok: true, layer: { digest, fileCount, sizeBytes, existed, leftOut } };
}

type List = Extract<Listed, { ok: true }>;

/**
 * Directories that are worth another thread's help, and enough of them that a huge one among them does not decide how
 * long it takes.
 */
const openMax = 150;

async function list(
  { threads, limits }: Publisher,
  { root, isWhole }: { root: string; isWhole: boolean },
  signal: AbortSignal,
): Promise<{ ok: true; lists: List[] } | { ok: false; reason: string }> {
  const order = { root, limits, isWhole, shared: newShared() };
  const first: Listed = await threads.run(listTask, { ...order, open: [""], openMax }, signal);
  if (!first.ok) return first;
  if (first.open.length === 0) return { ok: true, lists: [first] };
  const { open } = first;
  // The directory to take next is counted from 0 again; what was found so far is not.
  Atomics.store(new BigInt64Array(order.shared), 0, 0n);
  const work = (either: AbortSignal) =>
    threads.run<ListOrder, Listed>(
      listTask,
      { ...order, open, openMax: Number.POSITIVE_INFINITY },
      either,
    );
  const others = await together([work, work], signal);
  const lists: List[] = [first];
  for (const other of others) {
    if (!other.ok) return other;
    lists.push(other);
  }
  return { ok: true, lists };
}

async function allSealed(
  { threads, owner }: Publisher,
  incoming: string,
  { lists }: { lists: List[] },
  { signal, onProgress }: { signal: AbortSignal; onProgress: (bytes: number) => void },
): Promise<{ parts: Uint8Array[]; fileCount: number; sizeBytes: number }> {
  const root = join(incoming, "tree");
  // The largest first, so that no thread is left alone with it at the end.
  const pieces = lists.flatMap((one) => one.pieces).sort((a, b) => b.bytes - a.bytes);
  const files = pieces.map(({ lines, bytes }, index) => async (either: AbortSignal) => {
    const order = { root, lines, owner, temporary: join(incoming, `copy-${index}`) };
    const sealed = await threads.run(filesTask, order, either);
    onProgress(bytes);
    return sealed;
  });
  const links = lists.map(({ links: lines }) => (either: AbortSignal) => {
    return threads.run(linksTask, { root, lines, owner }, either);
  });
  const directories = (either: AbortSignal) => {
    const lines = Buffer.concat(lists.map((one) => one.directories));
    return threads.run(directoriesTask, { root, lines, owner }, either);
  };
  // A copy is renamed over the name whose link it breaks, which changes the directory.
  const isLinked = lists.some((one) => one.isLinked);
  const small = isLinked ? links : [directories, ...links];
  const parts = await together([...small, ...files], signal);
  if (isLinked) parts.push(await directories(signal));
  const sum = (of: (piece: Piece) => number) =>
    pieces.reduce((total, piece) => total + of(piece), 0);
  return { parts, fileCount: sum(({ files }) => files), sizeBytes: sum(({ bytes }) => bytes) };
}

/**
 * Pieces of work that are with the threads at a time: one more than there are threads, so that none waits for the next.
 * A large tree has thousands, and others would find the queue full, or stand at its end.
 */
const atOnce = 3;

/** Work of several threads; when one fails, the others are stopped: none may be at work on a tree that is given back. */
async function together<T>(
  works: ((signal: AbortSignal) => Promise<T>)[],
  signal: AbortSignal,
): Promise<T[]> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const done: T[] = [];
  const next = works[Symbol.iterator]();
  const going = Array.from({ length: atOnce }, async () => {
    for (const work of next) done.push(await work(either));
  });
  try {
    await Promise.all(going);
    return done;
  } catch (error) {
    stop.abort();
    await Promise.allSettled(going);
    throw error;
  }
}

/** Both, or the error of the first that failed: when neither is at work any more. */
async function allSettled<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return [await one, await other];
}

function mismatch(digest: string, expected: string): Problem {
  const message = `The archive holds the layer ${digest}, expected ${expected}`;
  return new Problem("digest_mismatch", message, { digest, expected });
}
