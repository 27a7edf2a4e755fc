import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  opendir,
  readdir,
  rename,
  rm,
  utimes,
} from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type Threads, threadBytesMin } from "../base/threads.ts";
import { Problem } from "../contract/problem.ts";
import {
  type BlobPlaces,
  blobDigest,
  blobPath,
  blobPlaces,
  condemnedDigest,
  isShard,
} from "./blob-path.ts";
import { checkBlob, openBlobFile, readVerified, readWhole, sumBlob } from "./blob-reading.ts";
import { blobThread, copyFile, hashFile } from "./blob-thread.ts";
import type { Blobs, StoredBlob } from "./content.ts";
import { asStorageProblem, errorCode, isDiskFull } from "./disk-errors.ts";

export interface BlobsOptions {
  /** The data directory: blobs lie in `<dir>/blobs`. */
  dir: string;
  clock: Clock;
  log: Log;
  /** For what is too long to be hashed on the main thread. */
  threads: Threads;
  /** Called once when an fsync failed: no blob is written any more, and the process must end. */
  onBroken?: (error: unknown) => void;
}

/** An fsync failed. What the kernel dropped then a second fsync would call safe, so none is tried. */
export class BlobsBroken extends Error {
  override name = "BlobsBroken";
}

/** A file holds a secret, and none of it is kept. */
export class HoldsSecret extends Error {
  override name = "HoldsSecret";
  /** It is the one that the scanner was told to tell apart. */
  readonly isCanary: boolean;

  constructor(isCanary: boolean) {
    super("The file holds a secret");
    this.isCanary = isCanary;
  }
}

/**
 * Opens the blobs of a data directory, which nobody else may have open: what an earlier process left half written is
 * removed. Files are 0400 in directories of 0700; on disk they are named by digest, split after two digits.
 */
export async function openBlobs(options: BlobsOptions): Promise<Blobs> {
  const { dir, clock, log, threads, onBroken } = options;
  const places = blobPlaces(dir);
  await mkdir(places.temp, { recursive: true, mode: 0o700 });
  await chmod(places.root, 0o700);
  await sync(dir);
  await sync(places.root);
  const swept = await sweepTemp(places);
  if (swept > 0) log.warn({ files: swept }, "blobs.temp_swept");
  const install = installer(places, clock, log, threads);
  const keep = untilBroken(log, onBroken, (write: Write) => keepTemp(places, write, install));
  const openBlob = (sha256: string) => openBlobFile(blobPath(places, sha256).path, sha256);

  return {
    put: (bytes) => keep((file) => writeBytes(file, bytes, threads)),
    putStream: (source, maxBytes) => keep((file) => writeStream(file, source, maxBytes)),
    putFile: (fd, { maxBytes, scanner, beforeKept }, signal) =>
      keep(async (file) => {
        const input = { fd, to: file.fd, maxBytes, scanner };
        const copied = await threads.run(copyTask, input, signal);
        if (copied === "too_large") throw tooLarge(maxBytes);
        if (copied === "holds_secret" || copied === "holds_canary") {
          throw new HoldsSecret(copied === "holds_canary");
        }
        beforeKept?.();
        return copied;
      }),
    get: async (sha256) => readWhole(await openBlob(sha256), sha256, threads),
    async read(sha256) {
      const { file, bytes } = await openBlob(sha256);
      return { stream: readVerified(file, sha256), bytes };
    },
    check: async (sha256, signal) => checkBlob(await openBlob(sha256), sha256, threads, signal),
    sum: async (sha256, signal) => sumBlob(await openBlob(sha256), sha256, threads, signal),
    all: () => listBlobs(places, clock),
  };
}

type Install = (temp: string, blob: StoredBlob) => Promise<void>;
/** Writes all bytes into a new, empty file, and says what they are. */
type Write = (file: FileHandle) => Promise<StoredBlob>;

const copyTask = { module: blobThread, work: copyFile };
const hashTask = { module: blobThread, work: hashFile };

/** Refuses everything after the first fsync that failed. */
function untilBroken<Given extends unknown[], Answer>(
  log: Log,
  onBroken: BlobsOptions["onBroken"],
  work: (...given: Given) => Promise<Answer>,
): (...given: Given) => Promise<Answer> {
  let broken: BlobsBroken | undefined;
  return async (...given) => {
    if (broken) throw broken;
    try {
      return await work(...given);
    } catch (error) {
      if (error instanceof BlobsBroken && !broken) {
        broken = error;
        log.fatal({ err: error }, "blobs.broken");
        onBroken?.(error);
      }
      throw error;
    }
  };
}

/** Has a temp file written and gives it its name once all bytes are on disk; leaves nothing when it fails. */
async function keepTemp(places: BlobPlaces, write: Write, install: Install): Promise<StoredBlob> {
  const temp = join(places.temp, randomUUID());
  try {
    const blob = await writeTemp(temp, write);
    await install(temp, blob);
    return blob;
  } catch (error) {
    throw asStorageProblem(error);
  } finally {
    await rm(temp, { force: true });
  }
}

async function writeTemp(temp: string, write: Write): Promise<StoredBlob> {
  const file = await open(temp, "wx+", 0o400);
  try {
    const blob = await write(file);
    await syncFile(file);
    return blob;
  } finally {
    await file.close();
  }
}

/** Of many bytes a thread hashes what has been written, so that they need not be sent to it. */
async function writeBytes(
  file: FileHandle,
  bytes: Uint8Array,
  threads: Threads,
): Promise<StoredBlob> {
  if (bytes.byteLength < threadBytesMin) return writeStream(file, [bytes], bytes.byteLength);
  await file.writeFile(bytes);
  const written = await threads.run(hashTask, { fd: file.fd });
  assert(written.bytes === bytes.byteLength, "A temp file has one writer");
  return written;
}

/** The pieces of a stream are hashed where they come: each is small, and others have their turn in between. */
async function writeStream(
  file: FileHandle,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  maxBytes: number,
): Promise<StoredBlob> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    hash.update(chunk);
    await file.appendFile(chunk);
  }
  return { sha256: `sha256:${hash.digest("hex")}`, bytes };
}

function tooLarge(maxBytes: number): Problem {
  const message = `Cannot store more than ${maxBytes} bytes in one piece`;
  return new Problem("payload_too_large", message, { maxBytes });
}

function installer(places: BlobPlaces, clock: Clock, log: Log, threads: Threads): Install {
  const durableShards = new Set<string>();
  return async (temp, blob) => {
    const { shard, path } = blobPath(places, blob.sha256);
    if (!durableShards.has(shard)) {
      await mkdir(shard, { recursive: true, mode: 0o700 });
      await sync(places.root);
      durableShards.add(shard);
    }
    if (!(await adopt(path, blob, clock, log, threads))) {
      await moveDirectoryAside(path, places);
      await rename(temp, path);
    }
    // Also when the blob was there: whoever renamed it may have died, or still be busy, before this.
    await sync(shard);
  };
}

/**
 * Whether the blob is already there and sound. It is then touched, by its name: a sweep that took it aside before makes
 * the touch fail, and one that does so after sees a young blob and puts it back.
 */
async function adopt(
  path: string,
  blob: StoredBlob,
  clock: Clock,
  log: Log,
  threads: Threads,
): Promise<boolean> {
  try {
    await checkBlob(await openBlobFile(path, blob.sha256), blob.sha256, threads);
    const now = clock.now() / 1000;
    await utimes(path, now, now);
    return true;
  } catch (error) {
    if (error instanceof Problem && error.code === "digest_mismatch") {
      log.error({ sha256: blob.sha256, found: error.message }, "blobs.replaced");
      return false;
    }
    if (error instanceof Problem && error.code === "not_found") return false;
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** A rename replaces files and links, but not a directory that stands in a blob's place. */
async function moveDirectoryAside(path: string, places: BlobPlaces): Promise<void> {
  const stat = await lstat(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (stat?.isDirectory()) await rename(path, join(places.temp, randomUUID()));
}

/** Removes what was being written when a process died. A blob that a sweep had taken aside goes back to its place. */
async function sweepTemp(places: BlobPlaces): Promise<number> {
  let swept = 0;
  for (const name of await readdir(places.temp)) {
    const digest = condemnedDigest(name);
    if (digest !== undefined) {
      const { shard, path } = blobPath(places, digest);
      await mkdir(shard, { recursive: true, mode: 0o700 });
      await rename(join(places.temp, name), path);
      await sync(shard);
    } else {
      await rm(join(places.temp, name), { recursive: true, force: true });
      swept += 1;
    }
  }
  return swept;
}

async function* listBlobs(
  places: BlobPlaces,
  clock: Clock,
): AsyncGenerator<{ sha256: string; bytes: number; ageMs: number }> {
  for (const shard of (await readdir(places.root)).filter(isShard).sort()) {
    for await (const entry of await opendir(join(places.root, shard))) {
      const sha256 = blobDigest(shard, entry.name);
      if (sha256 === undefined) continue;
      const stat = await lstat(join(places.root, shard, entry.name)).catch((error: unknown) => {
        // A sweep may remove it between the listing and this look.
        if (errorCode(error) === "ENOENT") return undefined;
        throw error;
      });
      if (stat) yield { sha256, bytes: stat.size, ageMs: clock.now() - stat.mtimeMs };
    }
  }
}

async function sync(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await syncFile(handle);
  } finally {
    await handle.close();
  }
}

async function syncFile(file: FileHandle): Promise<void> {
  try {
    await file.sync();
  } catch (cause) {
    if (isDiskFull(cause)) throw cause;
    throw new BlobsBroken("The blobs cannot be trusted any more: the gateway must end", { cause });
  }
}
