/**
 * Trees that untrusted code has written, read and written from the host. Everything is reached from
 * an open directory by `/proc/self/fd/<directory>/<name>` and O_NOFOLLOW, one name at a time: a
 * path that is looked up twice can be a directory the first time and a link to `/etc` the second.
 * Names are bytes: decoding them as UTF-8 would merge two different files into one.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  opendirSync,
  openSync,
  readlinkSync,
} from "node:fs";
import { assert } from "./assert.ts";
import { at, isRefusal, lookAt, openFileAt, openRoot, show, TreeError } from "./below.ts";

export {
  type Owner,
  openDirectoryBelow,
  openFileBelow,
  openRoot,
  type Pieces,
  placeFileBelow,
  statBelow,
  TreeError,
} from "./below.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

export type TreeEntryType =
  | "file"
  | "directory"
  | "symlink"
  /** A device, a FIFO, a socket. */
  | "other"
  /** A directory below `maxDepth`; its contents are not reported. */
  | "too_deep"
  /** It may not be read (mode 000), or it became something else while it was being opened. */
  | "unreadable"
  /**
   * The last entry of a walk that reached `maxEntries`: the directory whose contents are cut short.
   */
  | "too_many";

export interface TreeEntry {
  /** Relative to the root, without a leading slash. */
  path: Buffer;
  name: Buffer;
  type: TreeEntryType;
  size: number;
  /** What it takes of the filesystem: a sparse file takes less than its size, and a reserved one more. */
  diskBytes: number;
  /** Permission bits, with setuid, setgid and sticky. */
  mode: number;
  nlink: number;
  ino: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /**
   * Opens a regular file for reading; the caller closes it. Valid only while this entry is the
   * newest of its walk.
   */
  open(): number;
  /** The target of a symlink, as bytes. Valid only while this entry is the newest of its walk. */
  readLink(): Buffer;
}

export interface WalkOptions {
  /** Directories below the root; each level holds one descriptor. */
  maxDepth?: number;
  maxEntries?: number;
}

interface Level {
  fd: number;
  path: Buffer;
  names: Buffer[];
  next: number;
  cut: boolean;
}

/**
 * Walks a tree depth first, a directory before its contents, each directory in byte order of names.
 * The root itself is not reported. Limits: `maxDepth` 64, `maxEntries` 1,000,000 by default. Throws
 * `TreeError` when the root is a symlink or no directory. Never follows a link, never opens a
 * special file, never leaves the root's filesystem.
 */
export function* walkTree(root: string | Buffer, options: WalkOptions = {}): Generator<TreeEntry> {
  const maxDepth = options.maxDepth ?? 64;
  let left = options.maxEntries ?? 1_000_000;
  const rootFd = openRoot(root);
  const device = fstatSync(rootFd, { bigint: true }).dev;
  const top = levelOf(rootFd, Buffer.alloc(0));
  const levels: Level[] = [top];
  let live: symbol | undefined;
  try {
    readNames(top, left);
    for (;;) {
      const level = levels.at(-1);
      if (level === undefined) return;
      const name = level.names[level.next++];
      live = Symbol("entry");
      if (name === undefined) {
        if (level.cut) {
          yield plainEntry("too_many", level.path, lastName(level.path));
          return;
        }
        levels.pop();
        closeSync(level.fd);
        continue;
      }
      const token = live;
      const entry = look(level, name, () => token === live);
      if (entry === undefined) continue;
      left -= 1;
      if (entry.type !== "directory") {
        yield entry;
        continue;
      }
      if (levels.length > maxDepth) {
        yield { ...entry, type: "too_deep" };
        continue;
      }
      const fd = openSame(level.fd, name, entry.ino, device);
      if (fd === undefined) {
        yield { ...entry, type: "unreadable" };
        continue;
      }
      const below = levelOf(fd, entry.path);
      levels.push(below);
      readNames(below, left);
      yield entry;
    }
  } finally {
    live = undefined;
    for (const level of levels) closeSync(level.fd);
  }
}

function levelOf(fd: number, path: Buffer): Level {
  return { fd, path, names: [], next: 0, cut: false };
}

/**
 * Names are read up to what may still be reported, so that a directory of millions costs no more
 * memory than that.
 */
function readNames(level: Level, limit: number): void {
  const encoding = "buffer" as BufferEncoding;
  const directory = opendirSync(`/proc/self/fd/${level.fd}`, { encoding });
  try {
    for (let found = directory.readSync(); found !== null; found = directory.readSync()) {
      if (level.names.length >= limit) {
        level.cut = true;
        break;
      }
      level.names.push(found.name as unknown as Buffer);
    }
  } finally {
    directory.closeSync();
  }
  level.names.sort(Buffer.compare);
}

function look(level: Level, name: Buffer, isLive: () => boolean): TreeEntry | undefined {
  const path = level.path.length === 0 ? name : Buffer.concat([level.path, slash, name]);
  const stats = lookAt(level.fd, name);
  // Gone since the directory was read: it is not part of the tree any more.
  if (stats === "gone") return undefined;
  if (stats === "refused") return plainEntry("unreadable", path, name);
  return {
    path,
    name,
    type: typeOf(stats),
    size: Number(stats.size),
    diskBytes: Number(stats.blocks) * 512,
    mode: Number(stats.mode & 0o7777n),
    nlink: Number(stats.nlink),
    ino: stats.ino,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    open() {
      assert(isLive(), "a tree entry is opened while it is the newest of its walk");
      return openFileAt(level.fd, name, stats);
    },
    readLink() {
      assert(isLive(), "a tree entry is read while it is the newest of its walk");
      return readlinkSync(at(level.fd, name), { encoding: "buffer" });
    },
  };
}

function plainEntry(type: TreeEntryType, path: Buffer, name: Buffer): TreeEntry {
  const refuse = () => {
    throw new TreeError("EACCES", `Cannot open ${show(path)}: it is ${type}`);
  };
  const none = { size: 0, diskBytes: 0, mode: 0, nlink: 0, ino: 0n, mtimeNs: 0n, ctimeNs: 0n };
  return { path, name, type, ...none, open: refuse, readLink: refuse };
}

function typeOf(stats: BigIntStats): TreeEntryType {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "other";
}

/** Undefined when it may not be read, is another inode by now, or is a mount point. */
function openSame(parent: number, name: Buffer, ino: bigint, dev: bigint): number | undefined {
  let fd: number;
  try {
    fd = openSync(at(parent, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
  const stats = fstatSync(fd, { bigint: true });
  if (stats.ino === ino && stats.dev === dev) return fd;
  closeSync(fd);
  return undefined;
}

const slash = Buffer.from("/");

function lastName(path: Buffer): Buffer {
  return path.subarray(path.lastIndexOf(slash) + 1);
}
