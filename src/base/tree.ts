/**
 * Trees that untrusted code has written, read and written from the host. Everything is reached from an open directory
 * by `/proc/self/fd/<directory>/<name>` and O_NOFOLLOW, one name at a time: a path that is looked up twice can be a
 * directory the first time and a link to `/etc` the second. Names are bytes: decoding them as UTF-8 would merge two
 * different files into one.
 */
import { randomUUID } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readlinkSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { assert } from "./assert.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, O_CREAT, O_EXCL } = constants;

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
  /** The last entry of a walk that reached `maxEntries`: the directory whose contents are cut short. */
  | "too_many";

export interface TreeEntry {
  /** Relative to the root, without a leading slash. */
  path: Buffer;
  name: Buffer;
  type: TreeEntryType;
  size: number;
  /** Permission bits, with setuid, setgid and sticky. */
  mode: number;
  nlink: number;
  ino: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  /** Opens a regular file for reading; the caller closes it. Valid only while this entry is the newest of its walk. */
  open(): number;
  /** The target of a symlink, as bytes. Valid only while this entry is the newest of its walk. */
  readLink(): Buffer;
}

export interface WalkOptions {
  /** Directories below the root; each level holds one descriptor. */
  maxDepth?: number;
  maxEntries?: number;
}

/** The tree is not what it must be: a link or a special file is where a directory or a file was wanted. */
export class TreeError extends Error {
  override name = "TreeError";
  /** What the kernel said, or `ECHANGED` when a name became another file between two looks. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

interface Level {
  fd: number;
  path: Buffer;
  names: Buffer[];
  next: number;
  cut: boolean;
}

/**
 * Walks a tree depth first, a directory before its contents, each directory in byte order of names. The root itself is
 * not reported. Limits: `maxDepth` 64, `maxEntries` 1,000,000 by default. Throws `TreeError` when the root is a symlink
 * or no directory. Never follows a link, never opens a special file, never leaves the root's filesystem.
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

/** Names are read up to what may still be reported, so that a directory of millions costs no more memory than that. */
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

function lookAt(directory: number, name: Buffer): BigIntStats | "gone" | "refused" {
  try {
    return lstatSync(at(directory, name), { bigint: true });
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "gone" : "refused";
  }
}

function plainEntry(type: TreeEntryType, path: Buffer, name: Buffer): TreeEntry {
  const refuse = () => {
    throw new TreeError("EACCES", `Cannot open ${show(path)}: it is ${type}`);
  };
  const none = { size: 0, mode: 0, nlink: 0, ino: 0n, mtimeNs: 0n, ctimeNs: 0n };
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

/** O_NONBLOCK, because opening a FIFO that took the file's place would otherwise wait for a writer for ever. */
function openFileAt(directory: number, name: Buffer, expected: BigIntStats): number {
  const fd = openNoFollow(at(directory, name), O_RDONLY | O_NONBLOCK, name);
  const stats = fstatSync(fd, { bigint: true });
  if (stats.isFile() && stats.ino === expected.ino && stats.dev === expected.dev) return fd;
  closeSync(fd);
  throw new TreeError("ECHANGED", `Cannot open ${show(name)}: it is not the file that was listed`);
}

/**
 * Opens a directory for walking or placing; the caller closes it. Throws `TreeError` when its last name is a symlink
 * or no directory. The path above it must be the gateway's own.
 */
export function openRoot(root: string | Buffer): number {
  const shown = typeof root === "string" ? Buffer.from(root) : root;
  return openNoFollow(root, O_RDONLY | O_DIRECTORY, shown);
}

export interface Owner {
  uid: number;
  gid: number;
}

/**
 * Opens the directory `path` (names separated by `/`, none of them empty, `.` or `..`) below an open directory; an
 * empty path is that directory itself. The caller closes the new descriptor. Missing directories are made with `mode`
 * and `owner` when `create` is given. Throws `TreeError` when a link or a file is on the way, or something is missing.
 */
export function openDirectoryBelow(
  root: number,
  path: string | Buffer,
  create?: { mode: number; owner: Owner | undefined },
): number {
  let fd = openSync(`/proc/self/fd/${root}/.`, O_RDONLY | O_DIRECTORY);
  try {
    for (const name of splitPath(path)) {
      const made = create !== undefined && makeDirectory(fd, name);
      const next = openNoFollow(at(fd, name), O_RDONLY | O_DIRECTORY, name);
      closeSync(fd);
      fd = next;
      if (made) own(fd, create.mode, create.owner);
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function makeDirectory(parent: number, name: Buffer): boolean {
  try {
    mkdirSync(at(parent, name), 0o700);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** What is at a name of an open directory, links not followed; undefined when nothing is. */
export function statBelow(directory: number, name: string | Buffer): BigIntStats | undefined {
  const stats = lookAt(directory, oneName(name));
  if (stats === "refused") throw new TreeError("EACCES", `Cannot look at ${show(name)}`);
  return stats === "gone" ? undefined : stats;
}

/** Opens a regular file of an open directory for reading; the caller closes it. Throws `TreeError` for anything else. */
export function openFileBelow(directory: number, name: string | Buffer): number {
  const stats = statBelow(directory, name);
  if (!stats?.isFile()) throw new TreeError("ENOENT", `Cannot open ${show(name)}: it is no file`);
  return openFileAt(directory, oneName(name), stats);
}

/**
 * Writes a file under a name of an open directory: first whole, with its mode and owner, under a unique name in
 * `temporary` (a directory of the same filesystem that the untrusted code cannot reach), then renamed over whatever
 * has the name. A link there is replaced, never written through; a directory there is a `TreeError` EISDIR.
 */
export function placeFileBelow(
  directory: number,
  name: string | Buffer,
  data: Buffer,
  options: { mode: number; owner: Owner | undefined; temporary: number },
): void {
  const target = at(directory, oneName(name));
  const temp = at(options.temporary, Buffer.from(`placing-${randomUUID()}`));
  const fd = openSync(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    try {
      for (let done = 0; done < data.length; ) done += writeSync(fd, data, done);
      own(fd, options.mode, options.owner);
    } finally {
      closeSync(fd);
    }
    renameSync(temp, target);
  } catch (error) {
    unlinkSync(temp);
    if (!isRefusal(error)) throw error;
    throw new TreeError(String(errorCode(error)), `Cannot place ${show(name)}`, { cause: error });
  }
}

/** The owner first: a change of owner takes setuid and setgid bits away again. */
function own(fd: number, mode: number, owner: Owner | undefined): void {
  if (owner) fchownSync(fd, owner.uid, owner.gid);
  fchmodSync(fd, mode);
}

function openNoFollow(path: string | Buffer, flags: number, shown: Buffer): number {
  try {
    return openSync(path, flags | O_NOFOLLOW);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const wanted = flags & O_DIRECTORY ? "directory" : "file";
    const code = String(errorCode(error));
    const message = `Cannot open ${show(shown)} as a ${wanted}: ${code}`;
    throw new TreeError(code, message, { cause: error });
  }
}

const refusals = ["ELOOP", "ENOTDIR", "EACCES", "ENOENT", "EISDIR", "ENXIO", "ENOTEMPTY", "EPERM"];

/** Whether the tree itself is the reason; anything else (no memory, no descriptors) is the host's and goes up as it is. */
function isRefusal(error: unknown): boolean {
  return refusals.includes(String(errorCode(error)));
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

const slash = Buffer.from("/");

function at(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

function oneName(name: string | Buffer): Buffer {
  const [only, ...rest] = splitPath(name);
  if (only !== undefined && rest.length === 0) return only;
  throw new TreeError("EINVAL", `Cannot use ${show(name)}: expected one name`);
}

/** The names of a relative path. `..` is refused here, because the kernel would happily walk out of the root. */
function splitPath(path: string | Buffer): Buffer[] {
  const bytes = typeof path === "string" ? Buffer.from(path) : path;
  if (bytes.length === 0) return [];
  const names = bytes
    .toString("latin1")
    .split("/")
    .map((name) => Buffer.from(name, "latin1"));
  for (const name of names) {
    if (["", ".", ".."].includes(name.toString("latin1")) || name.includes(0)) {
      throw new TreeError("EINVAL", `Cannot use ${show(path)}: expected a relative path of names`);
    }
  }
  return names;
}

function lastName(path: Buffer): Buffer {
  return path.subarray(path.lastIndexOf(slash) + 1);
}

function show(path: string | Buffer): string {
  return JSON.stringify(path.toString("utf8"));
}
