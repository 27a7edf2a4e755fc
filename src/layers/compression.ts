/** Compression of archives on the way, in bounded memory. */
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";
import { Problem } from "../contract/problem.ts";

const chunkBytes = 64 * 1024;

/** zstd with a checksum, as the zstd command reads it. The same bytes give the same bytes on this version of Node. */
export function zstdCompressed(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  const params = { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 };
  return through(source, createZstdCompress({ params, chunkSize: chunkBytes }));
}

/** gzip, for readers of images that do not know zstd. */
export function gzipCompressed(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  return through(source, createGzip({ level: 6, chunkSize: chunkBytes }));
}

/** What a decompression may cost. */
export interface ExpansionLimits {
  totalBytes: number;
  /** How many times its compressed size an archive may be, once it is larger than `freeBytes`. */
  ratio: number;
  freeBytes: number;
}

/** The largest window that is taken: what `zstd -19` uses, and 8 MiB of memory. */
const windowLog = 23;

/**
 * The bytes of a zstd archive. Throws `invalid_request` for what is no whole zstd or has bytes behind its end, and
 * `payload_too_large` as soon as a limit is passed, so that a small archive cannot become a large one.
 */
export async function* zstdExpanded(
  source: AsyncIterable<Uint8Array>,
  limits: ExpansionLimits,
): AsyncGenerator<Buffer, void> {
  let fed = 0;
  let expanded = 0;
  const counted = (async function* () {
    for await (const chunk of source) {
      fed += chunk.length;
      yield chunk;
    }
  })();
  const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
  const zstd = createZstdDecompress({ params, chunkSize: chunkBytes });
  try {
    for await (const chunk of through(counted, zstd)) {
      expanded += chunk.length;
      if (expanded > limits.totalBytes) {
        throw tooLarge(`it expands to more than ${limits.totalBytes} bytes`);
      }
      if (expanded > limits.freeBytes && expanded > fed * limits.ratio) {
        throw tooLarge(`it expands to more than ${limits.ratio} times its size`);
      }
      yield chunk;
    }
  } catch (error) {
    if (!isCompressionError(error)) throw error;
    const message = `Cannot read the archive: it is no whole zstd (${error.message})`;
    throw new Problem("invalid_request", message, { reason: error.code }, { cause: error });
  }
  // zlib stops at the end of the last frame and says nothing about bytes behind it.
  if (zstd.bytesWritten === fed) return;
  const reason = `${fed - zstd.bytesWritten} bytes behind the end of its zstd`;
  throw new Problem("invalid_request", `Cannot read the archive: it has ${reason}`, { reason });
}

function tooLarge(reason: string): Problem {
  return new Problem("payload_too_large", `Cannot read the archive: ${reason}`, { reason });
}

function isCompressionError(error: unknown): error is Error & { code: string } {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string")
    return false;
  return error.code.startsWith("ZSTD_error_") || error.code.startsWith("Z_");
}

/** What comes out of `transform` when `source` is put in; an error of either, and leaving early, ends both. */
async function* through(
  source: AsyncIterable<Uint8Array>,
  transform: Transform,
): AsyncGenerator<Buffer, void> {
  const fed = pipeline(Readable.from(source, { objectMode: false }), transform).then(
    () => undefined,
    // Told by the transform, which the pipeline destroys with the same error.
    (error: unknown) => error,
  );
  try {
    yield* transform as AsyncIterable<Buffer>;
  } finally {
    transform.destroy();
    await fed;
  }
}
