import { setImmediate } from "node:timers/promises";

/** A stream of bytes that is read in pieces of a wanted size, holding one chunk of its source. */
export interface ByteSource {
  /** Bytes handed out so far. */
  offset(): number;
  /** Exactly so many bytes; fewer only when the source has ended. For small sizes: they are held in memory. */
  take(bytes: number): Promise<Buffer>;
  /** So many bytes as they come; fewer only when the source has ended. */
  pieces(bytes: number): AsyncGenerator<Buffer, void>;
  /** Lets the source go, whether it has ended or not. */
  close(): Promise<void>;
}

/** Reads from `source`, whose chunks are bounded by whoever makes them. */
export function openByteSource(
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): ByteSource {
  const iterator = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  let offset = 0;

  async function more(): Promise<boolean> {
    // What is done with a chunk is synchronous; a source that is always ready must not keep everybody else waiting.
    await setImmediate();
    signal?.throwIfAborted();
    const next = await iterator.next();
    if (next.done) return false;
    const { buffer, byteOffset, byteLength } = next.value;
    const chunk = Buffer.from(buffer, byteOffset, byteLength);
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    return true;
  }

  function cut(bytes: number): Buffer {
    const piece = held.subarray(0, bytes);
    held = held.subarray(piece.length);
    offset += piece.length;
    return piece;
  }

  return {
    offset: () => offset,
    async take(bytes) {
      while (held.length < bytes && (await more()));
      return cut(bytes);
    },
    async *pieces(bytes) {
      for (let left = bytes; left > 0; ) {
        if (held.length === 0 && !(await more())) return;
        const piece = cut(left);
        left -= piece.length;
        if (piece.length > 0) yield piece;
      }
    },
    async close() {
      await iterator.return?.();
    },
  };
}
