/**
 * Content: bytes by hash, and what is made of them: inputs, content of a run tree, outputs, archives.
 *
 * I8 A blob is what its hash says: verified when written and when read. A digest is not a permission: who may read a
 *    blob is decided by the rows that refer to it, in the store.
 */
import type { Readable } from "node:stream";
import type { MissingOutput, Output } from "../contract/output.ts";
import type { ScannerRecipe } from "./output-file.ts";

export interface StoredBlob {
  sha256: string;
  bytes: number;
}

export interface Blobs {
  /** Stores bytes: unique temp file, fsync, rename, fsync of the directory. Idempotent. */
  put(bytes: Uint8Array): Promise<StoredBlob>;
  /** Stores a stream without holding it in memory. More than `maxBytes`: `payload_too_large`, nothing is kept. */
  putStream(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<StoredBlob>;
  /**
   * Stores what an open file holds from its first byte on, on another thread; the file is the caller's to close, once
   * this has settled. More than `maxBytes`: `payload_too_large`. `beforeKept` is called when all is read, and what it
   * throws keeps the bytes from being stored. When the scanner finds a secret it fails with `HoldsSecret`.
   */
  putFile(
    fd: number,
    options: { maxBytes: number; scanner?: ScannerRecipe; beforeKept?: () => void },
    signal: AbortSignal,
  ): Promise<StoredBlob>;
  /** The bytes, verified; `digest_mismatch` when they are not what their name says, `not_found` when they are gone. */
  get(sha256: string): Promise<Buffer>;
  /** The bytes as a stream, verified on the way: it fails with `digest_mismatch` in place of its end. */
  read(sha256: string): Promise<{ stream: Readable; bytes: number }>;
  /** Verifies a blob without handing out its bytes, and gives their number; fails as `get` does. */
  check(sha256: string, signal?: AbortSignal): Promise<number>;
  /** The same, with the CRC-32 of the bytes. */
  sum(sha256: string, signal?: AbortSignal): Promise<{ bytes: number; crc32: number }>;
  /** Every blob on disk with its size and age, for `gc` and `verify`. */
  all(): AsyncIterable<{ sha256: string; bytes: number; ageMs: number }>;
}

/** What was captured of the output directories of one run. */
export interface Captured {
  outputs: Output[];
  missing: MissingOutput[];
}

export { addToZip } from "./add-to-zip.ts";
export { type ArchivedRun, type ArchiveRequest, buildArchive } from "./archive.ts";
export { BlobsBroken, type BlobsOptions, openBlobs } from "./blobs.ts";
export { contentNameProblem } from "./content-name.ts";
export { type ContentReader, openContentReader } from "./content-reader.ts";
export {
  type ContentFound,
  type ContentVersion,
  type ContentView,
  contentAlias,
  contentView,
} from "./content-view.ts";
export { findSecretBelow, findSecretThread } from "./find-secret.ts";
export { restore, shorten } from "./long-strings.ts";
export type { ScannerRecipe, SecretScanner } from "./output-file.ts";
export { nameOutputs } from "./output-name.ts";
export {
  type CaptureRequest,
  type OutputCapture,
  type OutputCaptureOptions,
  openOutputCapture,
} from "./outputs.ts";
export { placeFiles, type Uploads } from "./place-files.ts";
export { type SweepOptions, type SweepReport, sweepBlobs } from "./sweep.ts";
export type { WrittenMember } from "./write-zip.ts";
