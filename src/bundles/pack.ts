import { Readable } from "node:stream";
import { ZipFile } from "yazl";
import { assert } from "../base/assert.ts";
import { addToZip, type Blobs } from "../content/content.ts";
import type { BundleEntry } from "../contract/bundle.ts";

/** Two zips of one bundle are one and the same, wherever and whenever: a zip has the time that a clock on the wall shows. */
const mtime = new Date(2000, 0, 1);

/**
 * The files of a bundle as a zip that is made as it is read; whoever unpacks it has the same bundle. Destroying the stream
 * closes whatever is open. It fails, rather than ends, when a blob is gone or damaged.
 */
export function pack(entries: readonly BundleEntry[], blobs: Pick<Blobs, "read">): Readable {
  const zip = new ZipFile();
  const stream = zip.outputStream;
  assert(stream instanceof Readable, "a zip is written to a stream that can be destroyed");
  const closing = new AbortController();
  stream.once("close", () => closing.abort());
  // Whoever reads is told by the stream itself; a failure before anybody reads must not end the process.
  stream.on("error", () => closing.abort());
  const fail = (error: Error) => stream.destroy(error);
  zip.once("error", fail);
  fill(zip, entries, blobs, closing.signal).catch(fail);
  return stream;
}

async function fill(
  zip: ZipFile,
  entries: readonly BundleEntry[],
  blobs: Pick<Blobs, "read">,
  signal: AbortSignal,
): Promise<void> {
  for (const { path, mode, size, sha256 } of entries) {
    const { stream } = await blobs.read(sha256);
    const options = { mtime, forceDosTimestamp: true, mode: 0o100000 | mode, size };
    await addToZip(zip, stream, path, options, signal);
  }
  zip.end();
}
