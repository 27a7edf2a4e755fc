/**
 * What must never reach a terminal from a run: C0 and C1 controls (an escape sequence can retitle
 * the window, answer for the user or rewrite what was printed before), the marks that reverse the
 * direction of text, invisible tag characters, and lone surrogates. Line feed and tab are harmless.
 */
const controls = "[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f]";
const invisible =
  "[\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff\\u{e0000}-\\u{e007f}]";
const hostile = new RegExp(`${controls}|${invisible}|\\p{Surrogate}`, "gu");

/**
 * Text of a run as a terminal may show it: what is hostile is spelt out, as `\x1b` or `\u202e`.
 * Keeps lines.
 */
export function plain(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(hostile, spelt);
}

/** The same on one line: line feeds and tabs are spelt out too. */
export function plainLine(text: string): string {
  return plain(text).replace(/\n/g, "\\n").replace(/\t/g, "\\t");
}

const color = /(\x1b\[[\d;]*m)/;

/**
 * Text of our own, with colors, into which words of a gateway or a run may have come unseen: colors stay, since they can do
 * no harm, and everything else that is hostile is spelt out.
 */
export function plainButColors(text: string): string {
  const parts = text.split(color);
  return parts.map((part, at) => (at % 2 === 1 ? part : plain(part))).join("");
}

/**
 * A value as one line of JSON that is safe to look at: `JSON.stringify` lets C1 controls and
 * direction marks pass.
 */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(hostile, (char) =>
    Array.from({ length: char.length }, (_, index) => unicode(char.charCodeAt(index))).join(""),
  );
}

function spelt(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : unicode(code);
}

function unicode(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}
