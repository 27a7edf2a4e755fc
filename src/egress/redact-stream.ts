import { pieceBytes, type SecretSpans } from "./secret-spans.ts";

/** What stands where a secret was. */
export const redacted = "[redacted]";

/**
 * Cuts secrets out of bytes that come piece by piece; together the answers are what `Redactor.bytes` makes of the whole,
 * however it is cut. Only what may still become a secret is held back: less than the longest needle, with at most 16 line
 * breaks at a place.
 */
export interface RedactStream {
  push(chunk: Uint8Array): Uint8Array;
  /**
   * What was held back, at the end. Do not ask for it when the bytes were cut off: it may be the beginning of a secret,
   * and then nothing of it may be shown.
   */
  end(): Uint8Array;
  /** Something was cut out so far. */
  hasCut(): boolean;
}

const replacement = Buffer.from(redacted);
const nothing = Buffer.alloc(0);

/** `onMarked` is called for every place with a marked needle. */
export function openRedactStream(secretSpans: SecretSpans, onMarked?: () => void): RedactStream {
  let held: Buffer = nothing;
  let covered = -1;
  let hasCut = false;

  function take(chunk: Buffer, isLast: boolean, parts: Uint8Array[]): void {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const found = secretSpans.next(bytes, covered, isLast);
    let from = 0;
    for (const [index, span] of found.spans.entries()) {
      if (span.isMarked) onMarked?.();
      if (!(found.isContinued && index === 0)) {
        parts.push(bytes.subarray(from, span.from), replacement);
        hasCut = true;
      }
      from = span.to;
    }
    if (from < found.keepFrom) parts.push(bytes.subarray(from, found.keepFrom));
    // A copy, so that a small remainder does not keep a large piece in memory.
    held = isLast ? nothing : Buffer.from(bytes.subarray(found.keepFrom));
    covered = found.covered;
  }

  return {
    push(chunk) {
      if (secretSpans.isEmpty) return chunk;
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const parts: Uint8Array[] = [];
      for (let from = 0; from < bytes.length; from += pieceBytes) {
        take(bytes.subarray(from, from + pieceBytes), false, parts);
      }
      return parts.length === 1 ? (parts[0] ?? nothing) : Buffer.concat(parts);
    },
    end() {
      const parts: Uint8Array[] = [];
      if (!secretSpans.isEmpty) take(nothing, true, parts);
      return Buffer.concat(parts);
    },
    hasCut: () => hasCut,
  };
}
