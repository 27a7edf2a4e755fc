import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { createInflateRaw } from "node:zlib";

const addedBytesMax = 1024 * 1024;

/** What was found of one member. */
export interface ReadMember {
  /** Undefined: it could not be unpacked, or has more bytes than it may. */
  sha256: string | undefined;
  /** Of its bytes as they lie in the zip. */
  packedSha256: string;
  /** Why there is no digest, after the name of the member. */
  fault?: string;
}

/**
 * Reads a member to its end and keeps nothing of it. `bytes`: what was signed; one that goes on far beyond that, perhaps
 * for terabytes, is left there. A little more is read, so that what was added can be named.
 */
export async function readMember(
  packed: AsyncIterable<Buffer>,
  expected: { method: "store" | "deflate"; bytes: number },
  tap: (piece: Buffer) => void,
): Promise<ReadMember> {
  const raw = createHash("sha256");
  const source = hashed(packed, raw);
  const plain = createHash("sha256");
  let bytes = 0;
  let fault: string | undefined;
  try {
    for await (const piece of expected.method === "deflate" ? inflated(source) : source) {
      bytes += piece.length;
      if (bytes > 2 * expected.bytes + addedBytesMax) {
        fault = `goes on behind the ${expected.bytes} bytes that were signed`;
        break;
      }
      plain.update(piece);
      tap(piece);
    }
  } catch (error) {
    if (!isDataError(error)) throw error;
    fault = "cannot be unpacked: its compressed bytes are damaged";
  }
  const packedSha256 = `sha256:${raw.digest("hex")}`;
  if (fault !== undefined) return { sha256: undefined, packedSha256, fault };
  return { sha256: `sha256:${plain.digest("hex")}`, packedSha256 };
}

async function* hashed(
  source: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

async function* inflated(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw({ chunkSize: 128 * 1024 });
  const piping = pipeline(source, inflate).catch((error: Error) => {
    inflate.destroy(error);
  });
  try {
    for await (const piece of inflate) yield piece as Buffer;
  } finally {
    inflate.destroy();
    await piping;
  }
}

/** What zlib says of bytes that are none of its own. */
function isDataError(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "Z_DATA_ERROR" || code === "Z_BUF_ERROR" || code === "Z_NEED_DICT";
}
