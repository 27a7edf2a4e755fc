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
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Problem } from "../contract/problem.ts";
import {
  type BlobPlaces,
  blobDigest,
  blobPath,
  blobPlaces,
  condemnedDigest,
  isShard,
} from "./blob-path.ts";
import { openBlobFile, readVerified, readWhole } from "./blob-reading.ts";
import type { Blobs, StoredBlob } from "./content.ts";
import { asStorageProblem, errorCode, isDiskFull } from "./disk-errors.ts";

export interface BlobsOptions {
  /** The data directory: blobs lie in `<dir>/blobs`. */
  dir: string;
  clock: Clock;
  log: Log;
  /** Called once when an fsync failed: no blob is written any more, and the process must end. */
  onBroken?: (error: unknown) => void;
}

/** An fsync failed. What the kernel dropped then a second fsync would call safe, so none is tried. */
export class BlobsBroken extends Error {
  override name = "BlobsBroken";
}

/**
 * Opens the blobs of a data directory, which nobody else may have open: what an earlier process left half written is
 * removed. Files are 0400 in directories of 0700; on disk they are named by digest, split after two digits.
 */
export async function openBlobs({ dir, clock, log, onBroken }: BlobsOptions): Promise<Blobs> {
  const places = blobPlaces(dir);
  await mkdir(places.temp, { recursive: true, mode: 0o700 });
  await chmod(places.root, 0o700);
  await sync(dir);
  await sync(places.root);
  const swept = await sweepTemp(places);
  if (swept > 0) log.warn({ files: swept }, "blobs.temp_swept");
  const install = installer(places, clock, log);
  const store = untilBroken(log, onBroken, (source: Source, maxBytes: number) =>
    storeBlob(places, source, maxBytes, install),
  );

  return {
    put: (bytes) => store([bytes], Number.MAX_SAFE_INTEGER),
    putStream: store,
    async get(sha256) {
      const { file } = await openBlobFile(blobPath(places, sha256).path, sha256);
      return readWhole(file, sha256);
    },
    async read(sha256) {
      const { file, bytes } = await openBlobFile(blobPath(places, sha256).path, sha256);
      return { stream: readVerified(file, sha256), bytes };
    },
    all: () => listBlobs(places, clock),
  };
}

type Install = (temp: string, blob: StoredBlob) => Promise<void>;
type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

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

/** Writes to a temp file of its own and gives it its name once all bytes are on disk; leaves nothing when it fails. */
async function storeBlob(
  places: BlobPlaces,
  source: Source,
  maxBytes: number,
  install: Install,
): Promise<StoredBlob> {
  const temp = join(places.temp, randomUUID());
  try {
    const blob = await writeTemp(temp, source, maxBytes);
    await install(temp, blob);
    return blob;
  } catch (error) {
    throw asStorageProblem(error);
  } finally {
    await rm(temp, { force: true });
  }
}

async function writeTemp(temp: string, source: Source, maxBytes: number): Promise<StoredBlob> {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await open(temp, "wx", 0o400);
  try {
    for await (const chunk of source) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) {
        throw new Problem(
          "payload_too_large",
          `Cannot store more than ${maxBytes} bytes in one piece`,
          { maxBytes },
        );
      }
      hash.update(chunk);
      await file.appendFile(chunk);
    }
    await syncFile(file);
  } finally {
    await file.close();
  }
  return { sha256: `sha256:${hash.digest("hex")}`, bytes };
}

function installer(places: BlobPlaces, clock: Clock, log: Log): Install {
  const durableShards = new Set<string>();
  return async (temp, blob) => {
    const { shard, path } = blobPath(places, blob.sha256);
    if (!durableShards.has(shard)) {
      await mkdir(shard, { recursive: true, mode: 0o700 });
      await sync(places.root);
      durableShards.add(shard);
    }
    if (!(await adopt(path, blob, clock, log))) {
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
async function adopt(path: string, blob: StoredBlob, clock: Clock, log: Log): Promise<boolean> {
  try {
    const { file } = await openBlobFile(path, blob.sha256);
    for await (const chunk of readVerified(file, blob.sha256)) void chunk;
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
