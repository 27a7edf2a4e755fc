import type { ServerResponse } from "node:http";

/** Smaller ones are parts of what others use too, and cost little. */
const freedFromBytes = 128 * 1024;

/** Gives back the memory of pieces that have been sent. */
export interface SpentPieces {
  /** The piece that is sent next, which nobody else has or wants again. */
  sending(piece: Uint8Array): void;
  /** Asked for the next one: the one before is freed if it is gone for certain. */
  next(): void;
}

/**
 * An answer of a gigabyte is 8,000 buffers. Left to themselves they make the engine look through all of its memory after every
 * few dozen, and everybody else waits meanwhile. So each is let go when the kernel has it, which is certain when nothing of
 * the answer waits any more. What came before the head of the answer was sent may still be held by the server, and is left alone.
 */
export function openSpentPieces(outgoing: ServerResponse): SpentPieces {
  let last: ArrayBuffer | undefined;
  return {
    sending({ buffer, byteLength }) {
      const isWhole = byteLength === buffer.byteLength && byteLength >= freedFromBytes;
      last = isWhole && outgoing.headersSent && buffer instanceof ArrayBuffer ? buffer : undefined;
    },
    next() {
      const isGone = outgoing.writableLength === 0 && outgoing.socket?.writableLength === 0;
      if (isGone && last?.detached === false) last.transfer(0);
      last = undefined;
    },
  };
}
