import { randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Threads } from "../base/threads.ts";

/** Where a thread finds the functions of this file. */
export const placesThread = import.meta.url;

/** Where layers lie below the data directory. */
export interface LayerPlaces {
  root: string;
  /** Whatever is not whole yet, or not wanted any more. Nobody but the gateway passes here. */
  incoming: string;
}

/**
 * Makes the directories of the layer store. Runs may pass through the root to what is mounted for them, and list nothing.
 * What a gateway that died was in the middle of is given back as `remains`, for a thread to remove: half a layer may be
 * half a million files, and nobody should wait for that at a start.
 */
export function openPlaces(dataDir: string): { places: LayerPlaces; remains: string[] } {
  const root = join(dataDir, "layers");
  const incoming = join(root, "incoming");
  mkdirSync(incoming, { recursive: true, mode: 0o700 });
  chmodSync(root, 0o711);
  chmodSync(incoming, 0o700);
  const remains = readdirSync(incoming).map((name) => join(incoming, name));
  syncDirectory(dataDir);
  syncDirectory(root);
  return { places: { root, incoming }, remains };
}

/** A new, empty directory in `incoming`. */
export function newIncoming({ incoming }: LayerPlaces): string {
  const path = join(incoming, randomUUID());
  mkdirSync(path, { mode: 0o700 });
  return path;
}

/** The directory of a layer: `tree`, and the `manifest` that names it. */
export function layerDirectory({ root }: LayerPlaces, digest: string): string {
  return join(root, digest.slice("sha256:".length));
}

/** The digests of all layers that are on disk. */
export function layersOf({ root }: LayerPlaces): string[] {
  const names = readdirSync(root).filter((name) => /^[0-9a-f]{64}$/.test(name));
  return names.map((name) => `sha256:${name}`);
}

/** Makes names in a directory survive a power cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Replaces a file of the gateway's own as a whole: who looks sees the old one or the new one, also after a power cut. */
export function replaceFile(
  { incoming }: LayerPlaces,
  directory: string,
  name: string,
  bytes: Uint8Array,
): void {
  const temporary = join(incoming, randomUUID());
  writeSynced(temporary, bytes);
  renameSync(temporary, join(directory, name));
  syncDirectory(directory);
}

/** Makes a file that is not there yet, and has it on disk. */
export function writeSynced(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "wx", 0o400);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const removeTask = { module: placesThread, work: removeSealed };

/** Removes what is not wanted any more, by a thread; what is left when that fails goes at the next start. */
export async function removeAside({ threads }: { threads: Threads }, path: string): Promise<void> {
  await threads.run(removeTask, path);
}

/** The kernel takes 4095 bytes of path, of which a name takes at most 255. */
const pathBytes = 3_500;

/**
 * Removes a tree that may be read-only, however deep it is: what lies too deep for a path is first moved up, beside what
 * lies at the top. Follows no link.
 */
export function removeSealed(path: string | Buffer): void {
  const top = Buffer.from(path);
  const stats = lstatSync(top, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) {
    unlinkSync(top);
    return;
  }
  const emptied: Buffer[] = [];
  const open: Buffer[] = [top];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    chmodSync(at, 0o700);
    emptied.push(at);
    for (const entry of readdirSync(at, { withFileTypes: true, encoding: "buffer" })) {
      const below = Buffer.concat([at, Buffer.from("/"), entry.name]);
      if (!entry.isDirectory()) unlinkSync(below);
      else open.push(below.length <= pathBytes ? below : movedUp(below, top));
    }
  }
  for (const directory of emptied.reverse()) rmdirSync(directory);
}

function movedUp(directory: Buffer, top: Buffer): Buffer {
  const place = Buffer.concat([top, Buffer.from(`/${randomUUID()}`)]);
  // Its entry for the directory above changes with it, which asks for the right to write to it.
  chmodSync(directory, 0o700);
  renameSync(directory, place);
  return place;
}
