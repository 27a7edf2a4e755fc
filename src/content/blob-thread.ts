/**
 * What threads do with whole files: synchronous calls in a row, because the thread has nothing else to do. The
 * descriptors come from the main thread, which keeps them open until the work is done, and are never closed here.
 */
import { createHash, type Hash } from "node:crypto";
import { readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { ScannerRecipe, SecretScanner } from "./output-file.ts";

/** Where a thread finds the functions of this file. */
export const blobThread = import.meta.url;

const pieceBytes = 1024 * 1024;

export interface FileHash {
  sha256: string;
  bytes: number;
}

/** The digest of an open file, from its first byte on; the file's own position stays where it is. */
export function hashFile({ fd }: { fd: number }, isAborted: () => boolean): FileHash {
  const hash = createHash("sha256");
  let bytes = 0;
  for (const piece of pieces(fd, isAborted)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { sha256: digestOf(hash), bytes };
}

/** The same with the checksum that a zip wants to know before the bytes come. */
export function sumFile(
  { fd }: { fd: number },
  isAborted: () => boolean,
): FileHash & { crc32: number } {
  const hash = createHash("sha256");
  let checksum = 0;
  let bytes = 0;
  for (const piece of pieces(fd, isAborted)) {
    hash.update(piece);
    checksum = crc32(piece, checksum);
    bytes += piece.length;
  }
  return { sha256: digestOf(hash), bytes, crc32: checksum };
}

/**
 * Copies an open file to the end of another, hashed on the way. It stops at more than `maxBytes` and at the first
 * secret. The copy is not synced: whether that failed is for the main thread to hear.
 */
export async function copyFile(
  { fd, to, maxBytes, scanner }: CopyFileInput,
  isAborted: () => boolean,
): Promise<FileHash | "too_large" | "holds_secret" | "holds_canary"> {
  const scan = scanner && (await makeScanner(scanner)).start();
  const hash = createHash("sha256");
  let bytes = 0;
  for (const piece of pieces(fd, isAborted)) {
    bytes += piece.length;
    if (bytes > maxBytes) return "too_large";
    if (scan?.push(piece)) return scan.isCanary?.() ? "holds_canary" : "holds_secret";
    hash.update(piece);
    for (let at = 0; at < piece.length; ) at += writeSync(to, piece, at);
  }
  return { sha256: digestOf(hash), bytes };
}

export interface CopyFileInput {
  fd: number;
  to: number;
  maxBytes: number;
  scanner: ScannerRecipe | undefined;
}

/** The bytes of an open file with their digest: the bytes that were hashed, not those of a second look. */
export function readFile(
  { fd, bytes, sha256 }: { fd: number; bytes: number; sha256: string },
  isAborted: () => boolean,
): Uint8Array | { found: string } {
  const whole = Buffer.allocUnsafeSlow(bytes);
  const hash = createHash("sha256");
  let at = 0;
  for (const piece of pieces(fd, isAborted)) {
    hash.update(piece);
    // A file that has grown is told by its digest; there is no room for more than it had.
    at += piece.copy(whole, at);
  }
  const found = digestOf(hash);
  return found === sha256 && at === bytes ? whole : { found };
}

/** The pieces of a file, all in the same buffer: each is valid until the next. */
function* pieces(fd: number, isAborted: () => boolean): Generator<Buffer> {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  for (let at = 0; ; ) {
    if (isAborted()) throw new Error("The work was aborted");
    const read = readSync(fd, buffer, 0, pieceBytes, at);
    if (read === 0) return;
    yield buffer.subarray(0, read);
    at += read;
  }
}

interface Watch {
  canary: string | undefined;
  onCanary: (() => void) | undefined;
}

/** On a thread: the same scanner as on the one that sent its recipe. */
export async function makeScanner(
  recipe: ScannerRecipe,
  onCanary?: () => void,
): Promise<SecretScanner> {
  const { module, name, secrets, canary } = recipe;
  const { [name]: make } = (await import(module)) as Record<
    string,
    (secrets: readonly string[], options: Watch) => SecretScanner
  >;
  if (make === undefined) throw new Error(`${module} exports no ${name}`);
  return make(secrets, { canary, onCanary });
}

function digestOf(hash: Hash): string {
  return `sha256:${hash.digest("hex")}`;
}
