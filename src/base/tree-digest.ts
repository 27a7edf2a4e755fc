/**
 * One digest for all that lies in a directory, computed on another thread: names, kinds, permissions, contents and link
 * targets, but no times and no owners. Nothing may run in the tree meanwhile.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { type TreeEntry, walkTree } from "./tree.ts";

/** Where a thread finds `digestTree`. */
export const treeDigestThread = import.meta.url;

const pieceBytes = 256 * 1024;

/**
 * The digest of the tree at `root`, or null when it has more entries than `entriesMax` or goes too deep: half a tree has
 * no name. A file that cannot be read counts with its size and its inode's times, which no owner can set.
 */
export function digestTree(
  { root, entriesMax }: { root: string; entriesMax: number },
  isAborted: () => boolean,
): string | null {
  const whole = createHash("sha256");
  const buffer = Buffer.allocUnsafe(pieceBytes);
  for (const entry of walkTree(root, { maxEntries: entriesMax, maxDepth: 256 })) {
    if (isAborted()) throw new Error("The work was aborted");
    if (entry.type === "too_many" || entry.type === "too_deep") return null;
    const path = entry.path.toString("latin1");
    const line = [path, entry.type, entry.mode.toString(8), contentOf(entry, buffer)];
    // A path may hold any character but NUL.
    whole.update(`${line.join("\0")}\0\n`, "latin1");
  }
  return `sha256:${whole.digest("hex")}`;
}

function contentOf(entry: TreeEntry, buffer: Buffer): string {
  switch (entry.type) {
    case "file":
      return digestOf(entry.open(), buffer);
    case "symlink":
      return hex(createHash("sha256").update(entry.readLink()));
    case "unreadable":
      return `${entry.size} ${entry.ino} ${entry.ctimeNs}`;
    default:
      return "";
  }
}

function digestOf(fd: number, buffer: Buffer): string {
  try {
    const hash = createHash("sha256");
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, read));
    }
    return hex(hash);
  } finally {
    closeSync(fd);
  }
}

function hex(hash: Hash): string {
  return hash.digest("hex");
}
