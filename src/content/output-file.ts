import { closeSync, fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import type { Clock } from "../base/clock.ts";
import { threadBytesMin } from "../base/threads.ts";
import { type TreeEntry, TreeError } from "../base/tree.ts";
import type { MissingOutput } from "../contract/output.ts";
import { Problem } from "../contract/problem.ts";
import { HoldsSecret } from "./blobs.ts";
import type { Blobs, StoredBlob } from "./content.ts";
import { errorCode } from "./disk-errors.ts";

/** Tells whether bytes hold a secret, given piece by piece: true as soon as one has been seen. */
export interface SecretScanner {
  start(): { push(chunk: Uint8Array): boolean; isCanary?(): boolean };
  /** How another thread makes itself the same one; without it, large files are searched on this one. */
  recipe?: ScannerRecipe;
  /** Called when another thread has found the canary; what is found on this one tells it by itself. */
  onCanary?: (() => void) | undefined;
}

/** A module, the function of it that makes a scanner, and the secrets to give it; for a thread of ours only (I6). */
export interface ScannerRecipe {
  module: string;
  name: string;
  secrets: readonly string[];
  /** The one of which it must be told that it was found. */
  canary?: string | undefined;
}

export type FileRefusal = MissingOutput["reason"];

export type CapturedFile =
  | { type: "captured"; sha256: string; bytes: number }
  | { type: "refused"; reason: FileRefusal };

/** `previousDigest` is what the journal holds for the path: only what a row refers to is safe from the sweep. */
export type FileCapture = (
  entry: TreeEntry,
  path: string,
  previousDigest: string | undefined,
  signal: AbortSignal,
) => Promise<CapturedFile>;

const readBytes = promisify(read);
const chunkBytes = 128 * 1024;

/**
 * File systems stamp times in steps of up to 10 ms. A file that changed this shortly before it was read could change
 * again within the same step and look the same, so it is read again the next time.
 */
const settledMs = 50;

/** Opens the capture of single files; what it has read, it knows again by inode, size and times. */
export function openFileCapture(blobs: Blobs, clock: Clock, secrets: SecretScanner): FileCapture {
  const known = new Map<string, { print: string; sha256: string }>();

  return async (entry, path, previousDigest, signal) => {
    const print = fingerprint(entry);
    const before = known.get(path);
    if (before?.print === print && before.sha256 === previousDigest) {
      return { type: "captured", sha256: before.sha256, bytes: entry.size };
    }
    known.delete(path);
    const startedAt = clock.now();
    const file = await readOnce(entry, blobs, secrets, signal);
    const changedAt = Number(entry.ctimeNs / 1_000_000n);
    if (file.type === "captured" && startedAt - changedAt > settledMs) {
      known.set(path, { print, sha256: file.sha256 });
    }
    return file;
  };
}

/** The change time is among them because the run can set every other time, but not this one. */
function fingerprint(
  stat: Pick<TreeEntry, "ino" | "mtimeNs" | "ctimeNs"> & { size: number | bigint },
): string {
  return [stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(" ");
}

async function readOnce(
  entry: TreeEntry,
  blobs: Blobs,
  secrets: SecretScanner,
  signal: AbortSignal,
): Promise<CapturedFile> {
  let fd: number | undefined;
  try {
    fd = entry.open();
    const stored =
      secrets.recipe && entry.size >= threadBytesMin
        ? await putLargeFile(fd, entry, blobs, secrets.recipe, signal)
        : await blobs.putStream(checked(fd, entry, secrets, signal), entry.size);
    return { type: "captured", ...stored };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HoldsSecret && error.isCanary) secrets.onCanary?.();
    return { type: "refused", reason: refusalOf(error) };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Has a thread copy, hash and search the file; nothing is stored of one that may not be kept. */
async function putLargeFile(
  fd: number,
  entry: TreeEntry,
  blobs: Blobs,
  scanner: ScannerRecipe,
  signal: AbortSignal,
): Promise<StoredBlob> {
  const beforeKept = () => refuseIfChanged(fd, entry);
  return blobs.putFile(fd, { maxBytes: entry.size, scanner, beforeKept }, signal);
}

/** Passes the bytes on and fails before their end, so that nothing is stored of a file that may not be kept. */
async function* checked(
  fd: number,
  entry: TreeEntry,
  secrets: SecretScanner,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const scan = secrets.start();
  // One byte more than there should be, so that growth is noticed and a small file takes little.
  const wanted = Math.min(chunkBytes, entry.size + 1);
  for (;;) {
    signal.throwIfAborted();
    const buffer = Buffer.allocUnsafe(wanted);
    const { bytesRead } = await readBytes(fd, buffer, 0, wanted, null);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    if (scan.push(chunk)) throw new Refused("contains_secret");
    yield chunk;
  }
  refuseIfChanged(fd, entry);
}

function refuseIfChanged(fd: number, entry: TreeEntry): void {
  const after = fstatSync(fd, { bigint: true });
  if (fingerprint(entry) !== fingerprint({ ...after, size: after.size }))
    throw new Refused("changed_while_read");
}

class Refused extends Error {
  override name = "Refused";
  readonly reason: FileRefusal;

  constructor(reason: FileRefusal) {
    super(reason);
    this.reason = reason;
  }
}

/** What is not the file's doing is thrown on. */
function refusalOf(error: unknown): FileRefusal {
  if (error instanceof Refused) return error.reason;
  if (error instanceof HoldsSecret) return "contains_secret";
  if (error instanceof TreeError) {
    return error.code === "ECHANGED" || error.code === "ENOENT"
      ? "changed_while_read"
      : "unreadable";
  }
  if (error instanceof Problem && error.code === "storage_full") return "storage_full";
  // It grew beyond the size that it had when it was listed.
  if (error instanceof Problem && error.code === "payload_too_large") return "changed_while_read";
  if (errorCode(error) === "EIO") return "unreadable";
  throw error;
}
