import { Readable } from "node:stream";
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import type { ArchiveManifest, MissingOutput, Output } from "../contract/output.ts";
import { Problem } from "../contract/problem.ts";
import type { Blobs } from "./content.ts";
import { openZipWriter, type WrittenMember, type ZipWriter } from "./write-zip.ts";

/** What is known of a run once all its events have passed. */
export interface ArchivedRun {
  outputs: readonly Output[];
  missing: readonly MissingOutput[];
  /** What became of its secrets: `custody.json`. */
  custody: unknown;
}

export interface ArchiveRequest {
  /** The run as the API shows it: `run.json`. */
  runJson: unknown;
  /** The journal from its first event: `events.jsonl`, one event a line. */
  events: AsyncIterable<unknown>;
  /** Asked when the events are through, so that what follows is of the very moment at which they end. */
  archived: () => ArchivedRun;
  /** Makes the last member, `attestation.json`, of all before it. */
  attest: (members: readonly WrittenMember[], manifest: ArchiveManifest) => Buffer;
  source: ArchiveManifest["source"];
  partial: boolean;
  /** The time of every entry: a time of the run, so that the same run gives the same bytes. */
  mtime: Date;
  blobs: Blobs;
}

/**
 * Streams the archive of a run: `run.json`, `events.jsonl`, `outputs/<name>`, `custody.json`, `manifest.json` and
 * `attestation.json`. Nothing is held in memory but a row for each output, and a slow reader slows the reading of blobs.
 * An output whose blob is gone or damaged becomes a row of `missing` in the manifest. Destroying the stream closes
 * whatever is open. It fails, rather than ends, when the events cannot be read or a blob is damaged in the moment between
 * its check and its sending.
 *
 * Only the check of large blobs is given to our threads: zlib deflates on threads of its own, and to hash a piece takes
 * a tenth of a millisecond, with everybody else's turn behind it.
 */
export function buildArchive(request: ArchiveRequest): Readable {
  const closing = new AbortController();
  const pieces = members(request, closing.signal);
  // Piece by piece: a stream of bytes would copy those that wait into one.
  const archive = Readable.from(pieces, { objectMode: true, highWaterMark: 1 });
  archive.once("close", () => closing.abort(new Error("The archive was closed")));
  return archive;
}

async function* members(request: ArchiveRequest, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { source, partial, blobs } = request;
  const zip = openZipWriter(Math.floor(request.mtime.getTime() / 1000));
  yield* zip.whole("run.json", jsonFile(request.runJson));
  yield* zip.packed("events.jsonl", jsonLines(request.events));
  const { outputs: captured, missing: known, custody } = request.archived();
  const missing = [...known];
  const outputs: ArchiveManifest["outputs"] = [];
  for (const output of captured) {
    const pieces = await openOutput(zip, output, blobs, signal);
    if ("reason" in pieces) {
      missing.push(pieces);
      continue;
    }
    yield* pieces;
    outputs.push(manifestRow(output));
  }
  if (outputs.length === 0) yield* zip.whole("outputs/", Buffer.alloc(0));
  yield* zip.whole("custody.json", jsonFile(custody));
  const manifest: ArchiveManifest = { source, partial, outputs, missing };
  yield* zip.whole("manifest.json", jsonFile(manifest));
  yield* zip.stored("attestation.json", request.attest(zip.members, manifest));
  yield* zip.end();
}

/**
 * An output as a member, known to be sound, or the row that says why there is none: a member cannot be taken back once
 * its first bytes are on their way. A small one is held in memory, a large one is read once for this alone.
 */
async function openOutput(
  zip: ZipWriter,
  output: Output,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<AsyncGenerator<Buffer> | MissingOutput> {
  const { path, sha256, bytes: captured } = output;
  const name = nameOf(output);
  try {
    if (captured <= heldBytes) {
      const bytes = await blobs.get(sha256);
      if (bytes.length === captured) return zip.whole(name, bytes);
    } else {
      const sum = await blobs.sum(sha256, signal);
      if (sum.bytes === captured) return large(zip, output, { sha256, ...sum }, blobs);
    }
    return { path, reason: "unreadable", message: `Its blob does not have ${captured} bytes` };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { path, reason: "unreadable", message: error.message };
  }
}

/** Packed when its first piece becomes smaller by it: to pack what is packed already takes long and gives nothing. */
async function* large(
  zip: ZipWriter,
  output: Output,
  known: { sha256: string; bytes: number; crc32: number },
  blobs: Blobs,
): AsyncGenerator<Buffer> {
  const name = nameOf(output);
  const { stream } = await blobs.read(known.sha256);
  try {
    const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const first = await pieces.next();
    const source = resumed(first, pieces);
    const isSmaller = first.done !== true && (await packs(output, first.value));
    yield* isSmaller ? zip.packed(name, source, known.sha256) : zip.streamed(name, source, known);
  } finally {
    stream.destroy();
  }
}

async function* resumed(
  first: IteratorResult<Buffer>,
  rest: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  for (let piece = first; piece.done !== true; piece = await rest.next()) yield piece.value;
}

const heldBytes = 256 * 1024;
const linesBytes = 64 * 1024;
const sampleBytes = 64 * 1024;
/** Of a sample, what packing has to save at least. */
const savedShare = 0.05;
const compressed = /^(image\/(?!svg|bmp)|audio\/|video\/|application\/(zip|gzip|x-7z|zstd|x-bzip))/;
const pack = promisify(deflateRaw) as (bytes: Buffer) => Promise<Buffer>;

async function packs({ contentType }: Output, piece: Buffer): Promise<boolean> {
  if (compressed.test(contentType)) return false;
  const sample = piece.subarray(0, sampleBytes);
  return (await pack(sample)).length < sample.length * (1 - savedShare);
}

async function* jsonLines(events: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  let lines = "";
  for await (const event of events) {
    lines += `${JSON.stringify(event)}\n`;
    if (lines.length < linesBytes) continue;
    yield Buffer.from(lines);
    lines = "";
  }
  if (lines !== "") yield Buffer.from(lines);
}

function jsonFile(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

function nameOf({ name }: Output): string {
  return `outputs/${name}`;
}

function manifestRow(output: Output): ArchiveManifest["outputs"][number] {
  const { id, path: sourcePath, bytes: byteSize, contentType, sha256 } = output;
  return { id, path: nameOf(output), sourcePath, byteSize, contentType, sha256 };
}
