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
 * but the list of outputs, and a slow reader slows the reading of blobs. An output whose blob is gone or damaged
 * becomes a row of `missing` in the manifest. Destroying the stream closes whatever is open. It fails, rather than
 * ends, when the events cannot be read or a blob is damaged in the moment between its check and its sending.
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
  await addStream(zip, events, "events.jsonl", entry, signal);
  for (const output of request.outputs) {
    const damage = await damageOf(output, blobs, signal);
    if (damage !== undefined) {
      missing.push({ path: output.path, reason: "unreadable", message: damage });
      continue;
    }
    const path = `outputs/${output.name}`;
    const { stream } = await blobs.read(output.sha256);
    const options = { ...entry, size: output.bytes, compress: isWorthCompressing(output) };
    await addStream(zip, stream, path, options, signal);
    outputs.push(manifestRow(output, path));
  }
  if (outputs.length === 0) zip.addEmptyDirectory("outputs/", { mtime: request.mtime });
  const manifest: ArchiveManifest = { source, partial, outputs, missing };
  zip.addBuffer(jsonFile(manifest), "manifest.json", entry);
  zip.end();
}

/** One entry at a time: the next blob is opened when this one has been taken. */
async function addStream(
  zip: ZipFile,
  stream: Readable,
  path: string,
  options: Parameters<ZipFile["addReadStream"]>[2],
  signal: AbortSignal,
): Promise<void> {
  try {
    zip.addReadStream(stream, path, options);
    await finished(stream, { signal, writable: false });
  } finally {
    stream.destroy();
  }
}

/**
 * Says what is wrong with the blob of an output, or undefined. It is read once for this alone: a zip entry cannot be
 * taken back once its first bytes are on their way.
 */
async function damageOf(
  output: Output,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { stream, bytes } = await blobs.read(output.sha256);
    for await (const chunk of stream) {
      void chunk;
      signal.throwIfAborted();
    }
    if (bytes === output.bytes) return undefined;
    return `The blob has ${bytes} bytes, not the ${output.bytes} that were captured`;
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}

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

function isWorthCompressing(output: Output): boolean {
  return !compressed.test(output.contentType);
}
