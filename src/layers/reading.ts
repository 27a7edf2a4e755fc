/** A layer read from end to end and held against its manifest, a piece at a time: so others get the disk in between. */
import { hash } from "node:crypto";
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { show } from "../base/below.ts";
import { hashWhole } from "./hash-whole.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { type LayerOnDisk, manifestName, optionalFile } from "./look.ts";
import { digestOf, readLines } from "./manifest.ts";

/** Where a thread finds the functions of this file. */
export const readingThread = import.meta.url;

export interface ReadingOrder extends LayerOnDisk {
  /** Where in the manifest to go on; 0 at first. */
  from: number;
  /** Whom the tree must belong to, or null when the gateway cannot give files away. */
  uid: number | null;
}

export type ReadingStep =
  /** `next` is where to go on, or null when all is read. */
  { ok: true; next: number | null; bytes: number } | { ok: false; reason: string };

/** One piece: about a tenth of a second of work, unless a single file is longer. */
const pieceBytes = 64 * 1024 * 1024;
const pieceEntries = 4_000;
const bufferBytes = 1024 * 1024;

/** Reads one piece of a layer. The first step also counts what is there, so that nothing can be there in addition. */
export function readPiece(order: ReadingOrder, isAborted: () => boolean): ReadingStep {
  const { directory, digest, from, uid } = order;
  const manifest = optionalFile(join(directory, manifestName));
  if (manifest === undefined) return damaged("its manifest is missing");
  if (digestOf(manifest) !== digest) return damaged("its manifest is not the one that names it");
  const tree = Buffer.from(`${join(directory, "tree")}/`);
  if (from === 0) {
    const wrong = wrongRoot(tree, uid) ?? wrongCount(tree, manifest, isAborted);
    if (wrong !== undefined) return damaged(wrong);
  }
  const buffer = Buffer.allocUnsafeSlow(bufferBytes);
  let bytes = 0;
  let count = 0;
  for (const { entry, next } of readLines(manifest, from)) {
    if (isAborted()) throw new Error("The work was aborted");
    const wrong = wrongEntry(tree, entry, uid, buffer);
    if (wrong !== undefined) return damaged(`${show(entry.path)} ${wrong}`);
    bytes += entry.size;
    count += 1;
    const isOver = bytes >= pieceBytes || count >= pieceEntries;
    if (isOver && next < manifest.length) return { ok: true, next, bytes };
  }
  return { ok: true, next: null, bytes };
}

function damaged(reason: string): ReadingStep {
  return { ok: false, reason };
}

function wrongRoot(tree: Buffer, uid: number | null): string | undefined {
  const stats = lstatSync(tree.subarray(0, -1), { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return "its tree is missing";
  const wrong = wrongStats(stats, { type: "directory", executable: false }, uid);
  return wrong && `its top ${wrong}`;
}

/** Every entry that the manifest has will be looked for; when there are as many as it has, there are no others. */
function wrongCount(tree: Buffer, manifest: Buffer, isAborted: () => boolean): string | undefined {
  let listed = -1;
  for (let at = manifest.indexOf(0x0a); at !== -1; at = manifest.indexOf(0x0a, at + 1)) listed += 1;
  let found = 0;
  const open = [tree];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (isAborted()) throw new Error("The work was aborted");
    for (const entry of readdirSync(at, { withFileTypes: true, encoding: "buffer" })) {
      found += 1;
      if (entry.isDirectory()) open.push(Buffer.concat([at, entry.name, Buffer.from("/")]));
    }
    if (found > listed) return `it has more than the ${listed} entries of its manifest`;
  }
  return found === listed ? undefined : `it has ${found} entries, its manifest ${listed}`;
}

function wrongEntry(
  tree: Buffer,
  entry: LayerEntry,
  uid: number | null,
  buffer: Buffer,
): string | undefined {
  const full = Buffer.concat([tree, entry.path]);
  const stats = lstatSync(full, { throwIfNoEntry: false });
  if (stats === undefined) return "is missing";
  const wrong = wrongStats(stats, entry, uid);
  if (wrong !== undefined || entry.type === "directory") return wrong;
  if (entry.type === "symlink") {
    const target = readlinkSync(full, { encoding: "buffer" });
    return hash("sha256", target, "hex") === entry.sha256 ? undefined : "leads elsewhere";
  }
  if (stats.size !== entry.size) return `has ${stats.size} bytes, expected ${entry.size}`;
  const fd = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { sha256 } = hashWhole(fd, buffer);
    return sha256 === entry.sha256 ? undefined : "has other content";
  } finally {
    closeSync(fd);
  }
}

function wrongStats(
  stats: NonNullable<ReturnType<typeof lstatSync>>,
  { type, executable }: Pick<LayerEntry, "type" | "executable">,
  uid: number | null,
): string | undefined {
  const isType = { file: stats.isFile(), directory: stats.isDirectory() };
  if (!{ ...isType, symlink: stats.isSymbolicLink() }[type]) return `is no ${type}`;
  if (uid !== null && stats.uid !== uid) return `belongs to the user ${stats.uid}`;
  if (type === "symlink") return undefined;
  const mode = Number(stats.mode) & 0o7777;
  const expected = type === "directory" || executable ? 0o555 : 0o444;
  if (mode !== expected)
    return `has the mode ${mode.toString(8)}, expected ${expected.toString(8)}`;
  return type === "file" && stats.nlink > 1 ? "has another name somewhere" : undefined;
}
