import type { IncomingMessage } from "node:http";
import { pipeline, type Readable, type Transform } from "node:stream";
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import { ProxyCut } from "./proxy-cut.ts";
import { rawPieces } from "./raw-pieces.ts";

/** Room for one piece: what is not taken is not decompressed, however much it would become. */
const chunkSize = 16 * 1024;

const decoders: Record<string, (first: number) => Transform> = {
  gzip: () => createGunzip({ chunkSize }),
  "x-gzip": () => createGunzip({ chunkSize }),
  // Half of the world leaves out the wrapper, whose first byte always ends in 8.
  deflate: (first) =>
    (first & 0x0f) === 8 ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize }),
  br: () => createBrotliDecompress({ chunkSize }),
  zstd: () => createZstdDecompress({ chunkSize }),
};

/**
 * The body as it was before the upstream compressed it, in pieces of at most 16 KiB when it is compressed; as little of
 * it as is taken. `onRaw` gets the length of every piece that came. Throws `ProxyCut` for an encoding that is not known,
 * for two of them, and for what is none.
 */
export async function* decodedBody(
  response: IncomingMessage,
  onRaw: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const decoderOf = decoderFor(response);
  const raw = rawPieces(response, onRaw);
  if (decoderOf === undefined) {
    yield* raw;
    return;
  }
  const first = await raw.next();
  if (first.done || first.value.length === 0) return;
  const decoder = decoderOf(first.value[0] ?? 0);
  // The callback takes an error that reaches the reader through the decoder as well.
  const readable: Readable = pipeline(startingWith(first.value, raw), decoder, () => undefined);
  try {
    yield* readable;
  } finally {
    readable.destroy();
  }
}

/** Throws for an encoding that cannot be undone: what cannot be read cannot be redacted. */
export function decoderFor(response: IncomingMessage): ((first: number) => Transform) | undefined {
  // Beside chunks Node undoes nothing: `gzip, chunked` would come through as it was packed.
  const framing = response.headers["transfer-encoding"]?.trim().toLowerCase() ?? "chunked";
  if (framing !== "chunked") throw unknownEncoding();
  const named = (response.headers["content-encoding"] ?? "").trim().toLowerCase();
  if (named === "" || named === "identity") return undefined;
  const decoder = Object.hasOwn(decoders, named) ? decoders[named] : undefined;
  if (decoder) return decoder;
  throw unknownEncoding();
}

function unknownEncoding(): ProxyCut {
  return new ProxyCut(
    "upstream_error",
    "The upstream's answer is encoded in a way that is not known",
  );
}

async function* startingWith(
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}
