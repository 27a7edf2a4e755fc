/**
 * Layers as POSIX tar: the same layer gives the same bytes. Entries come in the order of the manifest, without times and
 * owners, and extended headers only where a path, a target or a size cannot be said without them.
 */

import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { closeSync, read } from "node:fs";
import { promisify } from "node:util";
import { openRoot } from "../base/below.ts";
import { openEntry, tampered } from "./entry-file.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { type PaxRecords, writePax } from "./pax.ts";
import { blockBytes, largestHeaderSize, splitForHeader, writeHeader } from "./tar-header.ts";

const readBytes = promisify(read);
const pieceBytes = 256 * 1024;

export interface TarOptions {
  /** Where the tree lies in the archive, such as `opt/venv`; its directories are entries too. Default: its top. */
  prefix?: string;
  signal?: AbortSignal;
}

/**
 * The archive of a layer, in pieces of at most 256 KiB. Every file is read by descriptor below `tree` and held against
 * the manifest: `digest_mismatch` names the one that is not what the layer says.
 */
export async function* writeTar(
  tree: string,
  entries: Iterable<LayerEntry>,
  options: TarOptions = {},
): AsyncGenerator<Buffer, void> {
  const root = openRoot(tree);
  try {
    const prefix = Buffer.from(options.prefix === undefined ? "" : `${options.prefix}/`);
    for (const directory of parentsOf(options.prefix)) {
      // An image takes the mode of a directory from whoever names it last, and everybody may write to /tmp.
      const mode = directory === "tmp" ? 0o1777 : 0o755;
      yield* headerBlocks({ ...directoryEntry, path: Buffer.from(directory) }, mode);
    }
    for (const entry of entries) {
      options.signal?.throwIfAborted();
      yield* headerBlocks({ ...entry, path: Buffer.concat([prefix, entry.path]) });
      if (entry.type === "file") yield* contentBlocks(root, entry, options.signal);
    }
    yield Buffer.alloc(2 * blockBytes);
  } finally {
    closeSync(root);
  }
}

const directoryEntry: Omit<LayerEntry, "path"> = {
  ...{ type: "directory", executable: false, size: 0, sha256: null, target: null },
};

function parentsOf(prefix: string | undefined): string[] {
  if (prefix === undefined) return [];
  const names = prefix.split("/");
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

const types = { file: "0", directory: "5", symlink: "2" } as const;

function* headerBlocks(
  entry: LayerEntry,
  mode = entry.type === "directory" || entry.executable ? 0o755 : 0o644,
): Generator<Buffer> {
  const linkPath = entry.target ?? Buffer.alloc(0);
  const fields = splitForHeader(entry.path);
  const records: PaxRecords = new Map();
  if (fields === undefined) records.set("path", entry.path);
  if (linkPath.length > 100 || !isPlain(linkPath)) records.set("linkpath", linkPath);
  if (entry.size > largestHeaderSize) records.set("size", Buffer.from(String(entry.size)));
  if (records.size > 0) yield* extendedHeader(records);
  yield writeHeader({
    ...(fields ?? { name: shortened(entry.path), prefix: Buffer.alloc(0) }),
    mode,
    size: entry.size,
    type: types[entry.type],
    linkPath: records.has("linkpath") ? shortened(linkPath) : linkPath,
  });
}

function* extendedHeader(records: PaxRecords): Generator<Buffer> {
  const isBinary = [...records.values()].some((value) => !isUtf8(value));
  const content = writePax(
    // Before the names, for a reader that takes records one after the other.
    isBinary ? new Map([["hdrcharset", Buffer.from("BINARY")], ...records]) : records,
  );
  yield writeHeader({
    ...{
      name: Buffer.from("PaxHeaders/entry"),
      prefix: Buffer.alloc(0),
      linkPath: Buffer.alloc(0),
    },
    ...{ mode: 0o644, size: content.length, type: "x" },
  });
  yield content;
  yield paddingOf(content.length);
}

/** What stands in a field whose whole value is in a record: readers that know no records get a name that is safe. */
function shortened(path: Buffer): Buffer {
  return Buffer.from(
    path.subarray(0, 100).map((byte) => (byte > 0x20 && byte < 0x7f ? byte : 0x5f)),
  );
}

function isPlain(bytes: Buffer): boolean {
  return bytes.every((byte) => byte >= 0x20 && byte <= 0x7e);
}

function paddingOf(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

async function* contentBlocks(
  root: number,
  entry: LayerEntry,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const fd = openEntry(root, entry.path);
  try {
    const hash = createHash("sha256");
    let done = 0;
    while (done < entry.size) {
      signal?.throwIfAborted();
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, entry.size - done));
      const { bytesRead } = await readBytes(fd, piece, 0, piece.length, done);
      if (bytesRead === 0) break;
      hash.update(piece.subarray(0, bytesRead));
      done += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
    const { bytesRead: more } = await readBytes(fd, Buffer.alloc(1), 0, 1, done);
    if (done !== entry.size || more !== 0 || hash.digest("hex") !== entry.sha256) {
      throw tampered(entry.path);
    }
    yield paddingOf(entry.size);
  } finally {
    closeSync(fd);
  }
}
