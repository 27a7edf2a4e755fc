import { isUtf8 } from "node:buffer";

/**
 * UTF-8 that can also say a lone surrogate (the encoding known as WTF-8), because a string of JSON may hold one and
 * plain UTF-8 would quietly turn it into U+FFFD. For every well-formed string it is UTF-8, byte for byte.
 */
export function encodeWtf8(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts: Buffer[] = [];
  let from = 0;
  for (const { index } of text.matchAll(/\p{Surrogate}/gu)) {
    parts.push(Buffer.from(text.slice(from, index)), threeBytes(text.charCodeAt(index)));
    from = index + 1;
  }
  parts.push(Buffer.from(text.slice(from)));
  return Buffer.concat(parts);
}

/** The string that `encodeWtf8` was given. */
export function decodeWtf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  let text = "";
  let from = 0;
  for (let at = bytes.indexOf(0xed); at >= 0; at = bytes.indexOf(0xed, at + 1)) {
    const second = bytes[at + 1] ?? 0;
    // In UTF-8 proper, 0xED is followed by less than 0xA0: beyond that begin the surrogates.
    if (second < 0xa0) continue;
    const unit = 0xd000 | ((second & 0x3f) << 6) | ((bytes[at + 2] ?? 0) & 0x3f);
    text += bytes.toString("utf8", from, at) + String.fromCharCode(unit);
    from = at + 3;
  }
  return text + bytes.toString("utf8", from);
}

function threeBytes(unit: number): Buffer {
  return Buffer.from([0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)]);
}
