import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { ZipFile } from "yazl";
import { assert } from "../base/assert.ts";
import type { ArchiveManifest, MissingOutput, Output } from "../contract/output.ts";
import { Problem } from "../contract/problem.ts";
import type { Blobs } from "./content.ts";

export interface ArchiveRequest {
  /** The run as the API shows it: `run.json`. */
  runJson: unknown;
  /** The journal from its first event: `events.jsonl`, one event a line. */
  events: AsyncIterable<unknown>;
  outputs: readonly Output[];
  missing: readonly MissingOutput[];
  source: ArchiveManifest["source"];
  partial: boolean;
  /** The time of every entry: a time of the run, so that the same run gives the same bytes. */
  mtime: Date;
  blobs: Blobs;
}

/**
 * Streams the archive of a run: `run.json`, `events.jsonl`, `outputs/<name>`, `manifest.json`. Nothing is held in memory
 * but the list of outputs (some 20 KB each, within the zip), and a slow reader slows the reading of blobs. An output whose blob is gone or damaged
 * becomes a row of `missing` in the manifest. Destroying the stream closes whatever is open. It fails, rather than
 * ends, when the events cannot be read or a blob is damaged in the moment between its check and its sending.
 *
 * Nothing is given to our threads but the check of large blobs: zlib deflates on threads of its own, and the checksum of
 * a piece takes a tenth of a millisecond.
 */
export function buildArchive(request: ArchiveRequest): Readable {
  const zip = new ZipFile();
  const archive = zip.outputStream;
  assert(archive instanceof Readable, "a zip is written to a stream that can be destroyed");
  const closing = new AbortController();
  archive.once("close", () => closing.abort());
  const fail = (error: Error) => archive.destroy(error);
  zip.once("error", fail);
  fill(zip, request, closing.signal).catch(fail);
  return archive;
}

async function fill(zip: ZipFile, request: ArchiveRequest, signal: AbortSignal): Promise<void> {
  const { blobs, source, partial } = request;
  const entry = { mtime: request.mtime, mode: 0o100644 };
  const missing = [...request.missing];
  const outputs: ArchiveManifest["outputs"] = [];

  zip.addBuffer(jsonFile(request.runJson), "run.json", entry);
  const events = Readable.from(jsonLines(request.events), { objectMode: false });
  await addToZip(zip, events, "events.jsonl", entry, signal);
  for (const output of request.outputs) {
    const opened = await openOutput(output, blobs, signal);
    if (!(opened instanceof Readable)) {
      missing.push(opened);
      continue;
    }
    const path = `outputs/${output.name}`;
    const options = { ...entry, size: output.bytes, compress: isWorthCompressing(output) };
    await addToZip(zip, opened, path, options, signal);
    outputs.push(manifestRow(output, path));
  }
  if (outputs.length === 0) zip.addEmptyDirectory("outputs/", { mtime: request.mtime });
  const manifest: ArchiveManifest = { source, partial, outputs, missing };
  zip.addBuffer(jsonFile(manifest), "manifest.json", entry);
  zip.end();
}

/** Adds one entry and resolves when its bytes have been taken: the next blob is opened when this one is through. */
export async function addToZip(
  zip: ZipFile,
  stream: Readable,
  path: string,
  options: Parameters<ZipFile["addBuffer"]>[2] & { size?: number },
  signal: AbortSignal,
): Promise<void> {
  try {
    zip.addReadStreamLazy(path, options, once(stream));
    await finished(stream, { signal, writable: false });
  } finally {
    stream.destroy();
  }
}

/** Gives the stream away and forgets it: the zip keeps what it was given until its end, with all buffers. */
function once(stream: Readable) {
  let held: Readable | undefined = stream;
  return (give: (error: unknown, stream: Readable) => void): void => {
    const given = held;
    held = undefined;
    assert(given, "an entry of a zip is read once");
    give(null, given);
  };
}

/**
 * The bytes of an output, known to be sound, or the row that says why there are none: a zip entry cannot be taken back
 * once its first bytes are on their way. A small one is held in memory, a large one is read once for this alone.
 */
async function openOutput(
  output: Output,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<Readable | MissingOutput> {
  const { path, sha256, bytes: captured } = output;
  try {
    if (captured <= heldBytes) {
      const bytes = await blobs.get(sha256);
      if (bytes.length === captured) return Readable.from(bytes, { objectMode: false });
    } else {
      const bytes = await blobs.check(sha256, signal);
      if (bytes === captured) return (await blobs.read(sha256)).stream;
    }
    return { path, reason: "unreadable", message: `Its blob does not have ${captured} bytes` };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { path, reason: "unreadable", message: error.message };
  }
}

const heldBytes = 256 * 1024;
const linesBytes = 64 * 1024;

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

function manifestRow(output: Output, path: string): ArchiveManifest["outputs"][number] {
  const { id, bytes, contentType, sha256 } = output;
  return { id, path, sourcePath: output.path, byteSize: bytes, contentType, sha256 };
}

const compressed = /^(image\/(?!svg|bmp)|audio\/|video\/|application\/(zip|gzip|x-7z|zstd|x-bzip))/;
const worthBytes = 128;

function isWorthCompressing({ bytes, contentType }: Output): boolean {
  return bytes >= worthBytes && !compressed.test(contentType);
}
