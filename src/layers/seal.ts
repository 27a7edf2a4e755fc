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
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  type Stats,
} from "node:fs";
import { bytesOf, type Found, foundOf, fullPath, type Owner } from "./found.ts";
import { hashWhole } from "./hash-whole.ts";
import { statLine } from "./look.ts";
import { spelled } from "./spelling.ts";

/** Where a thread finds the functions of this file. */
export const sealThread = import.meta.url;

export interface SealOrder {
  root: string;
  /** Lines of `Found`. */
  lines: Uint8Array;
  /** Who the files are to belong to, when the gateway may give files away. */
  owner: Owner | null;
}

export interface SealFilesOrder extends SealOrder {
  /** Beside the tree: how names of copies begin that are not whole yet. */
  temporary: string;
}

const bufferBytes = 1024 * 1024;
const flags = constants.O_RDONLY | constants.O_NOFOLLOW;

/**
 * Makes files what they stay: the gateway's own, read-only, and of known content; that they are on disk is for the whole
 * tree at once. One that has another name somewhere is copied first, for whoever has that name could write into the layer.
 * The answer is a line of the manifest for each, a tab, and its part of the fingerprint.
 */
export function sealFiles(order: SealFilesOrder, isAborted: () => boolean): Uint8Array {
  const { root, temporary, owner } = order;
  const buffer = Buffer.allocUnsafeSlow(bufferBytes);
  const sealed: string[] = [];
  for (const found of foundOf(order.lines)) {
    if (isAborted()) throw new Error("The work was aborted");
    const full = fullPath(root, found.path);
    if (found.isLocked) chmodSync(full, 0o600);
    if (found.isLinked) breakLink(full, temporary);
    sealed.push(sealFile(full, found, owner, buffer));
  }
  return bytesOf(sealed);
}

function breakLink(path: string | Buffer, temporary: string): void {
  copyFileSync(path, temporary, constants.COPYFILE_EXCL);
  renameSync(temporary, path);
}

/** Stands for a user or group that stays as it is. */
const unchanged = -1;

function sealFile(
  full: string | Buffer,
  { letter, size, path }: Found,
  owner: Owner | null,
  buffer: Buffer,
): string {
  const fd = openSync(full, flags);
  try {
    // Also takes away what a capability of the file would give, even where the owner stays. The mode after it, which a
    // change of owner cuts.
    fchownSync(fd, owner?.uid ?? unchanged, owner?.gid ?? unchanged);
    fchmodSync(fd, letter === "x" ? 0o555 : 0o444);
    const hashed = hashWhole(fd, buffer);
    if (hashed.size !== size) {
      throw new Error(`${path} has ${hashed.size} bytes, and had ${size} when it was listed`);
    }
    const stats = fstatSync(fd);
    return sealedLine(`${letter} ${size} ${hashed.sha256} ${path}`, stats);
  } finally {
    closeSync(fd);
  }
}

function sealedLine(line: string, stats: Stats): string {
  return `${line}\t${statLine(stats)}`;
}

/** Symlinks, which then belong to the gateway as well. */
export function sealLinks({ root, lines, owner }: SealOrder): Uint8Array {
  const sealed: string[] = [];
  for (const { path } of foundOf(lines)) {
    const full = fullPath(root, path);
    if (owner) lchownSync(full, owner.uid, owner.gid);
    const target = readlinkSync(full, { encoding: "buffer" });
    const line = `l 0 ${hash("sha256", target, "hex")} ${path}`;
    const stats = lstatSync(full);
    sealed.push(sealedLine(`${line} -> ${spelled(target.toString("latin1"))}`, stats));
  }
  return bytesOf(sealed);
}

/** Directories, and the top of the tree as the empty path: after the last name in them was made. */
export function sealDirectories({ root, lines, owner }: SealOrder): Uint8Array {
  const sealed: string[] = [];
  for (const path of ["", ...foundOf(lines).map((found) => found.path)]) {
    const full = fullPath(root, path);
    if (owner) chownSync(full, owner.uid, owner.gid);
    chmodSync(full, 0o555);
    sealed.push(sealedLine(`d 0 - ${path}`, lstatSync(full)));
  }
  return bytesOf(sealed);
}
