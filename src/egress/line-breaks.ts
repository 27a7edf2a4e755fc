import type { Span } from "./scan.ts";

const lineFeed = 10;
const carriageReturn = 13;

/** The bytes without their line breaks; the same object when there is none. */
export function withoutLineBreaks(bytes: Buffer): Buffer {
  if (!bytes.includes(lineFeed) && !bytes.includes(carriageReturn)) return bytes;
  const plain = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    plain[length] = byte;
    if (byte !== lineFeed && byte !== carriageReturn) length += 1;
  }
  return plain.subarray(0, length);
}

/** Spans of `withoutLineBreaks(bytes)` as spans of `bytes`. */
export function spansWithLineBreaks(bytes: Buffer, spans: readonly Span[]): Span[] {
  const mapped: Span[] = [];
  let at = 0;
  let plain = 0;
  /** Goes on to the byte that has this place in the plain bytes. */
  const moveTo = (place: number): number => {
    for (; at < bytes.length; at++) {
      if (bytes[at] === lineFeed || bytes[at] === carriageReturn) continue;
      if (plain === place) break;
      plain += 1;
    }
    return at;
  };
  for (const span of spans) {
    const from = moveTo(span.from);
    mapped.push({ from, to: moveTo(span.to - 1) + 1 });
  }
  return mapped;
}
