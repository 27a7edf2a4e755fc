/**
 * What threads do with a tree on its way to becoming a layer. By now it lies where only the gateway can reach it, and
 * nothing that could change it is alive: so plain paths are safe, and synchronous calls in a row are the fastest.
 */
import { hash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
} from "node:fs";
import { type Hashed, hashWhole } from "./hash-whole.ts";

/** Where a thread finds the functions of this file. */
export const sealThread = import.meta.url;

export interface TreeLimits {
  entries: number;
  fileBytes: number;
  totalBytes: number;
  depth: number;
  pathBytes: number;
}

/** Bytes become plain arrays on the way between threads. */
export interface FoundEntry {
  path: Uint8Array;
  type: "file" | "directory" | "symlink";
  executable: boolean;
  size: number;
  links: number;
  /** Its owner may not read it as it is. */
  isLocked: boolean;
}

export type Listed = { ok: true; entries: FoundEntry[] } | { ok: false; reason: string };

export interface Owner {
  uid: number;
  gid: number;
}

const slash = Buffer.from("/");
/** The kernel takes no longer path in one call. */
const pathMax = 4095;

/** Lists a whole tree, or says why it can be no layer. A directory that its owner locked is opened first. */
export function listTree(
  { root, limits }: { root: string; limits: TreeLimits },
  isAborted: () => boolean,
): Listed {
  const top = Buffer.from(root);
  const entries: FoundEntry[] = [];
  const open: { path: Buffer; depth: number }[] = [{ path: Buffer.alloc(0), depth: 0 }];
  let total = 0;
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (isAborted()) throw new Error("The work was aborted");
    const directory = place.path.length === 0 ? top : Buffer.concat([top, slash, place.path]);
    unlock(directory);
    for (const name of readdirSync(directory, { encoding: "buffer" })) {
      const path = place.path.length === 0 ? name : Buffer.concat([place.path, slash, name]);
      const shown = JSON.stringify(path.toString("utf8"));
      const full = Buffer.concat([top, slash, path]);
      if (path.length > limits.pathBytes || full.length > pathMax) {
        return refused(`the path ${shown.slice(0, 200)}… is longer than ${limits.pathBytes} bytes`);
      }
      if (entries.length >= limits.entries) {
        return refused(`it has more than ${limits.entries} entries`);
      }
      const stats = lstatSync(full);
      const type = typeOf(stats);
      if (type === undefined) {
        return refused(`${shown} is a device, a socket or a FIFO`);
      }
      if (type === "directory") {
        if (place.depth + 1 > limits.depth) {
          return refused(`${shown} is deeper than ${limits.depth} directories`);
        }
        open.push({ path, depth: place.depth + 1 });
      }
      const size = type === "file" ? stats.size : 0;
      total += size;
      if (size > limits.fileBytes) {
        return refused(`${shown} has ${size} bytes, expected at most ${limits.fileBytes}`);
      }
      if (total > limits.totalBytes) {
        return refused(`it has more than ${limits.totalBytes} bytes`);
      }
      const executable = type === "file" && (stats.mode & 0o100) !== 0;
      const isLocked = (stats.mode & 0o400) === 0;
      entries.push({ path, type, executable, size, links: stats.nlink, isLocked });
    }
  }
  return { ok: true, entries };
}

function refused(reason: string): Listed {
  return { ok: false, reason };
}

function typeOf(stats: ReturnType<typeof lstatSync>): FoundEntry["type"] | undefined {
  if (stats?.isFile()) return "file";
  if (stats?.isDirectory()) return "directory";
  return stats?.isSymbolicLink() ? "symlink" : undefined;
}

function unlock(directory: Buffer): void {
  const { mode } = lstatSync(directory);
  if ((mode & 0o700) !== 0o700) chmodSync(directory, 0o700);
}

export interface SealOrder {
  root: string;
  /** Beside the tree: how names of copies begin that are not whole yet. */
  temporary: string;
  files: FoundEntry[];
  /** Who the files are to belong to, when the gateway may give files away. */
  owner: Owner | null;
}

const bufferBytes = 1024 * 1024;

/**
 * Makes files what they stay: the gateway's own, read-only, and of known content; that they are on disk is for the whole
 * tree at once. One that has another name somewhere is copied first, for whoever has that name could write into the layer.
 */
export function sealFiles(order: SealOrder, isAborted: () => boolean): Hashed[] {
  const root = Buffer.from(order.root);
  const buffer = Buffer.allocUnsafeSlow(bufferBytes);
  return order.files.map((file, index) => {
    if (isAborted()) throw new Error("The work was aborted");
    const full = Buffer.concat([root, slash, file.path]);
    if (file.isLocked) chmodSync(full, 0o600);
    if (file.links > 1) breakLink(full, Buffer.from(`${order.temporary}-${index}`));
    return sealFile(full, file, order.owner, buffer);
  });
}

function breakLink(path: Buffer, temporary: Buffer): void {
  copyFileSync(path, temporary, constants.COPYFILE_EXCL);
  renameSync(temporary, path);
}

function sealFile(
  path: Buffer,
  { executable, size }: FoundEntry,
  owner: Owner | null,
  buffer: Buffer,
): Hashed {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    // Also takes away what a capability of the file would give. The mode after it, which a change of owner cuts.
    if (owner) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, executable ? 0o555 : 0o444);
    const sealed = hashWhole(fd, buffer);
    if (sealed.size === size) return sealed;
    throw new Error(
      `${path.toString()} has ${sealed.size} bytes, and had ${size} when it was listed`,
    );
  } finally {
    closeSync(fd);
  }
}

/** The targets of symlinks, which then belong to the gateway as well. */
export function sealLinks({
  root,
  paths,
  owner,
}: {
  root: string;
  paths: Uint8Array[];
  owner: Owner | null;
}): { target: Uint8Array; sha256: string }[] {
  return paths.map((path) => {
    const full = Buffer.concat([Buffer.from(root), slash, path]);
    if (owner) lchownSync(full, owner.uid, owner.gid);
    const target = readlinkSync(full, { encoding: "buffer" });
    return { target, sha256: hash("sha256", target, "hex") };
  });
}

/** Last, because nothing can be put right in a directory that is read-only. The root of the tree is the empty path. */
export function sealDirectories({
  root,
  paths,
  owner,
}: {
  root: string;
  paths: Uint8Array[];
  owner: Owner | null;
}): void {
  for (const path of paths) {
    const full =
      path.length === 0 ? Buffer.from(root) : Buffer.concat([Buffer.from(root), slash, path]);
    if (owner) chownSync(full, owner.uid, owner.gid);
    chmodSync(full, 0o555);
  }
}
