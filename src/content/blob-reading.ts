import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { type Threads, threadBytesMin } from "../base/threads.ts";
import { Problem } from "../contract/problem.ts";
import { blobThread, hashFile, readFile, sumFile } from "./blob-thread.ts";
import { errorCode } from "./disk-errors.ts";

/** Little enough to be hashed where it is read: that takes less than sending it to another thread. */
const chunkBytes = 128 * 1024;

/** An open blob file, and the size that it had when it was opened. */
export interface OpenBlob {
  file: FileHandle;
  bytes: number;
}

/**
 * Opens the file of a blob for reading. A symbolic link, a directory, a FIFO or a file with a second name is refused:
 * each would let somebody who can write one place decide what another one holds (I8).
 */
export async function openBlobFile(path: string, sha256: string): Promise<OpenBlob> {
  const file = await openWithoutFollowing(path, sha256);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw mismatch(sha256, "is not a regular file");
    // None is no matter: somebody who stored the same bytes has just given the name to a file of their own.
    if (stat.nlink > 1) throw mismatch(sha256, `has ${stat.nlink} names on disk, not 1`);
    return { file, bytes: stat.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openWithoutFollowing(path: string, sha256: string): Promise<FileHandle> {
  try {
    // Without O_NONBLOCK the open of a FIFO would wait for a writer that never comes.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") throw new Problem("not_found", `There is no blob ${sha256}`, { sha256 });
    if (code === "ELOOP") throw mismatch(sha256, "is a symbolic link");
    if (code === "ENXIO") throw mismatch(sha256, "is not a regular file");
    throw error;
  }
}

/** The bytes of an open blob file, in one piece, verified; many of them on another thread. Closes the file. */
export async function readWhole(
  { file, bytes }: OpenBlob,
  sha256: string,
  threads: Threads,
): Promise<Buffer> {
  try {
    if (bytes < threadBytesMin) {
      const whole = await file.readFile();
      verify(createHash("sha256").update(whole), sha256);
      return whole;
    }
    const read = await threads.run(readTask, { fd: file.fd, bytes, sha256 });
    if (!(read instanceof Uint8Array)) throw mismatch(sha256, `has the digest ${read.found}`);
    return Buffer.from(read.buffer, read.byteOffset, read.byteLength);
  } finally {
    await file.close();
  }
}

/** Verifies an open blob file and gives its size; a large one is hashed on another thread. Closes the file. */
export async function checkBlob(
  { file, bytes }: OpenBlob,
  sha256: string,
  threads: Threads,
  signal?: AbortSignal,
): Promise<number> {
  if (bytes < threadBytesMin) {
    let read = 0;
    for await (const chunk of readVerified(file, sha256)) read += (chunk as Buffer).length;
    return read;
  }
  try {
    const found = await threads.run(hashTask, { fd: file.fd }, signal);
    if (found.sha256 !== sha256) throw mismatch(sha256, `has the digest ${found.sha256}`);
    return found.bytes;
  } finally {
    await file.close();
  }
}

/** The same, with the CRC-32 of all bytes; always on another thread. Closes the file. */
export async function sumBlob(
  { file }: OpenBlob,
  sha256: string,
  threads: Threads,
  signal?: AbortSignal,
): Promise<{ bytes: number; crc32: number }> {
  try {
    const { bytes, crc32, ...found } = await threads.run(sumTask, { fd: file.fd }, signal);
    if (found.sha256 !== sha256) throw mismatch(sha256, `has the digest ${found.sha256}`);
    return { bytes, crc32 };
  } finally {
    await file.close();
  }
}

const sumTask = { module: blobThread, work: sumFile };
const readTask = { module: blobThread, work: readFile };
const hashTask = { module: blobThread, work: hashFile };

/**
 * The bytes of an open blob file as a stream that fails with `digest_mismatch` in place of its end when they are not
 * what the digest says. Destroying the stream, even before its first read, closes the file.
 */
export function readVerified(file: FileHandle, sha256: string): Readable {
  const hash = createHash("sha256");
  const stream: Readable = new Readable({
    highWaterMark: chunkBytes,
    read() {
      nextChunk(file, hash, sha256).then(
        (chunk) => {
          if (!stream.destroyed) stream.push(chunk);
        },
        (error: Error) => stream.destroy(error),
      );
    },
    destroy(error, callback) {
      file.close().then(
        () => callback(error),
        (closing: Error) => callback(error ?? closing),
      );
    },
  });
  return stream;
}

async function nextChunk(file: FileHandle, hash: Hash, sha256: string): Promise<Buffer | null> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const { bytesRead } = await file.read(buffer, 0, chunkBytes, null);
  if (bytesRead === 0) {
    verify(hash, sha256);
    return null;
  }
  const chunk = buffer.subarray(0, bytesRead);
  hash.update(chunk);
  return chunk;
}

function verify(hash: Hash, sha256: string): void {
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== sha256) throw mismatch(sha256, `has the digest ${found}`);
}

function mismatch(sha256: string, found: string): Problem {
  return new Problem("digest_mismatch", `The blob ${sha256} on disk ${found}`, { sha256 });
}
