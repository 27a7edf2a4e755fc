/**
 * Names below an open directory: looked at, opened and written through
 * `/proc/self/fd/<directory>/<name>` with O_NOFOLLOW, one name at a time, so that no link that
 * untrusted code made leads anywhere.
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
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_WRONLY, O_CREAT, O_EXCL } = constants;

/**
 * The tree is not what it must be: a link or a special file is where a directory or a file was
 * wanted.
 */
export class TreeError extends Error {
  override name = "TreeError";
  /** What the kernel said, or `ECHANGED` when a name became another file between two looks. */
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Opens a directory for walking or placing; the caller closes it. Throws `TreeError` when its last
 * name is a symlink or no directory. The path above it must be the gateway's own.
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
 * Opens the directory `path` (names separated by `/`, none of them empty, `.` or `..`) below an
 * open directory; an empty path is that directory itself. The caller closes the new descriptor.
 * Missing directories are made with `mode` and `owner` when `create` is given. Throws `TreeError`
 * when a link or a file is on the way, or something is missing.
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
      if (made || (create && isHalfMade(fd, create.owner))) own(fd, create.mode, create.owner);
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

/**
 * Whether the gateway was killed after making this directory and before giving it away. Whatever the
 * owner made is the owner's, so what lies among it and is not was made by us.
 */
function isHalfMade(fd: number, owner: Owner | undefined): boolean {
  return owner !== undefined && fstatSync(fd).uid !== owner.uid;
}

/** What is at a name of an open directory, links not followed; undefined when nothing is. */
export function statBelow(directory: number, name: string | Buffer): BigIntStats | undefined {
  const stats = lookAt(directory, oneName(name));
  if (stats === "refused") throw new TreeError("EACCES", `Cannot look at ${show(name)}`);
  return stats === "gone" ? undefined : stats;
}

/**
 * Opens a regular file of an open directory for reading; the caller closes it. Throws `TreeError`
 * for anything else.
 */
export function openFileBelow(directory: number, name: string | Buffer): number {
  const stats = statBelow(directory, name);
  if (!stats?.isFile()) throw new TreeError("ENOENT", `Cannot open ${show(name)}: it is no file`);
  return openFileAt(directory, oneName(name), stats);
}

/** Bytes that come piece by piece, so that a file of any size takes little memory. */
export type Pieces = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Writes a file under a name of an open directory: first whole, with its mode and owner, under a
 * unique name in `temporary` (a directory of the same filesystem that the untrusted code cannot
 * reach), then renamed over whatever has the name. A link there is replaced, never written through;
 * a directory there is a `TreeError` EISDIR. When the data fails in the middle, nothing is left of it.
 */
export async function placeFileBelow(
  directory: number,
  name: string | Buffer,
  data: Pieces,
  options: { mode: number; owner: Owner | undefined; temporary: number },
): Promise<void> {
  const target = at(directory, oneName(name));
  const temp = at(options.temporary, Buffer.from(`placing-${randomUUID()}`));
  const fd = openSync(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    try {
      for await (const piece of data) writeWhole(fd, piece);
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

function writeWhole(fd: number, piece: Uint8Array): void {
  for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done);
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

/**
 * Whether the tree itself is the reason; anything else (no memory, no descriptors) is the host's
 * and goes up as it is.
 */
export function isRefusal(error: unknown): boolean {
  return refusals.includes(String(errorCode(error)));
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/**
 * O_NONBLOCK, because opening a FIFO that took the file's place would otherwise wait for a writer
 * for ever.
 */
export function openFileAt(directory: number, name: Buffer, expected: BigIntStats): number {
  const fd = openNoFollow(at(directory, name), O_RDONLY | O_NONBLOCK, name);
  const stats = fstatSync(fd, { bigint: true });
  if (stats.isFile() && stats.ino === expected.ino && stats.dev === expected.dev) return fd;
  closeSync(fd);
  throw new TreeError("ECHANGED", `Cannot open ${show(name)}: it is not the file that was listed`);
}

/** What is at a name; `refused` when the directory may be read but not passed. */
export function lookAt(directory: number, name: Buffer): BigIntStats | "gone" | "refused" {
  try {
    return lstatSync(at(directory, name), { bigint: true });
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "gone" : "refused";
  }
}

/** The path of a name below an open directory, for a system call that follows no link. */
export function at(directory: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

function oneName(name: string | Buffer): Buffer {
  const [only, ...rest] = splitPath(name);
  if (only !== undefined && rest.length === 0) return only;
  throw new TreeError("EINVAL", `Cannot use ${show(name)}: expected one name`);
}

/**
 * The names of a relative path. `..` is refused here, because the kernel would happily walk out of
 * the root.
 */
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

/** A name for a message: bytes that are not UTF-8 are marked. */
export function show(path: string | Buffer): string {
  return JSON.stringify(path.toString("utf8"));
}

/** The names in a directory below an open one; none when it is not there, or a file, or a link is on the way. */
export function namesBelow(root: number, path: string): string[] {
  try {
    const directory = openDirectoryBelow(root, path);
    try {
      return readdirSync(`/proc/self/fd/${directory}`);
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    if (error instanceof TreeError) return [];
    throw error;
  }
}
