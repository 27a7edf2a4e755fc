import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { ZipFile } from "yazl";
import { assert } from "../base/assert.ts";

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
