/** Holds a placed bundle against its manifest, on another thread: all of it is read. */
import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { type TreeEntry, walkTree } from "../base/tree.ts";
import type { BundleEntry } from "../contract/bundle.ts";

/** Where a thread finds `treeProblem`. */
export const treeCheckThread = import.meta.url;

const pieceBytes = 256 * 1024;

/** Files are read by whoever is in a sandbox, and written by nobody. */
export const placedMode = (mode: number) => (mode === 0o755 ? 0o555 : 0o444);

/** In what the tree at `root` differs from the bundle, in words; null: in nothing. Times and owners do not count. */
export function treeProblem(
  { root, entries }: { root: string; entries: readonly BundleEntry[] },
  isAborted: () => boolean,
): string | null {
  const wanted = new Map(entries.map((entry) => [entry.path, entry]));
  const buffer = Buffer.allocUnsafe(pieceBytes);
  let directories = 0;
  for (const entry of walkTree(root, { maxEntries: 40_000 })) {
    if (isAborted()) throw new Error("The work was aborted");
    const path = entry.path.toString("utf8");
    if (entry.type === "directory") {
      directories += 1;
      continue;
    }
    const problem = fileProblem(entry, wanted.get(path), buffer);
    if (problem !== null) return `${JSON.stringify(path)} ${problem}`;
    wanted.delete(path);
  }
  const [missing] = wanted.keys();
  if (missing !== undefined) return `${JSON.stringify(missing)} is missing`;
  return directories === directoriesOf(entries).length ? null : "It has another directory";
}

function fileProblem(
  entry: TreeEntry,
  wanted: BundleEntry | undefined,
  buffer: Buffer,
): string | null {
  if (wanted === undefined) return "is not of the bundle";
  if (entry.type !== "file") return "is no file";
  if (entry.mode !== placedMode(wanted.mode)) return `has the mode ${entry.mode.toString(8)}`;
  if (entry.size !== wanted.size) return `has ${entry.size} bytes`;
  const fd = entry.open();
  try {
    const hash = createHash("sha256");
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, read));
    }
    return `sha256:${hash.digest("hex")}` === wanted.sha256 ? null : "has other bytes";
  } finally {
    closeSync(fd);
  }
}

/** Every directory of a bundle, one above another before it. */
export function directoriesOf(entries: readonly Pick<BundleEntry, "path">[]): string[] {
  const found = new Set<string>();
  for (const { path } of entries) {
    const names = path.split("/");
    for (let depth = 1; depth < names.length; depth++) found.add(names.slice(0, depth).join("/"));
  }
  return [...found].sort((a, b) => a.split("/").length - b.split("/").length);
}
