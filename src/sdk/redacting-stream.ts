import { redactString } from "./redact.ts";

/** A line that is longer is given on in parts, so that one without an end does not fill the memory (I9). */
const heldCharsMax = 1024 * 1024;
/** How far back from there a place is looked for where no secret is cut in two. */
const cutBackChars = 64 * 1024;
const privateKey = { begin: "-----BEGIN ", end: "-----END " };

/**
 * Passes text on with what `redactString` cuts out missing. It works line by line, so that a secret that comes in two pieces is
 * still found, and holds a line back until its end, or the end of all, has come. A literal of `known`, or a private key, may
 * itself have several lines. Bytes are read as UTF-8.
 */
export function createRedactingStream(
  known: readonly string[] = [],
): TransformStream<string | Uint8Array, string> {
  const decoder = new TextDecoder();
  let held = "";
  const give = (upTo: number, out: TransformStreamDefaultController<string>) => {
    if (upTo === 0) return;
    out.enqueue(redactString(held.slice(0, upTo), known));
    held = held.slice(upTo);
  };
  return new TransformStream({
    transform(piece, out) {
      const text = typeof piece === "string" ? piece : decoder.decode(piece, { stream: true });
      held += text;
      // Only what is new is looked at: a long line that comes in small pieces is not read again with each of them.
      if (/[\r\n]/.test(text)) give(safeCut(held, lastLineEnd(held), known), out);
      while (held.length > heldCharsMax) give(forcedCut(held.slice(0, heldCharsMax), known), out);
    },
    flush(out) {
      held += decoder.decode();
      give(held.length, out);
    },
  });
}

function lastLineEnd(text: string): number {
  return Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1;
}

/** The last place up to `cut` that is in the middle of no literal and of no private key. */
function safeCut(text: string, cut: number, known: readonly string[]): number {
  let safe = cut;
  const begin = text.lastIndexOf(privateKey.begin, safe);
  if (begin !== -1 && begin < safe && text.slice(begin, safe).includes("PRIVATE KEY")) {
    const end = text.indexOf(privateKey.end, begin);
    if (end === -1 || end >= safe) safe = begin;
  }
  // Moving it back for one literal may put it into another.
  for (let moved = true; moved; ) {
    moved = false;
    for (const literal of known) {
      const start = straddler(text, safe, literal);
      if (start === undefined) continue;
      safe = start;
      moved = true;
    }
  }
  return safe;
}

/** Where a literal begins that may go on beyond `cut`. */
function straddler(text: string, cut: number, literal: string): number | undefined {
  for (let length = Math.min(literal.length - 1, cut); length > 0; length--) {
    const there = text.slice(cut - length, cut - length + literal.length);
    if (literal.startsWith(there)) return cut - length;
  }
  return undefined;
}

/** Where a line that has no end can be cut: behind a blank, else behind a sign that no credential holds. */
function forcedCut(text: string, known: readonly string[]): number {
  for (const end of [/\s/, /[,;{}()[\]<>]/]) {
    for (let at = text.length; at > text.length - cutBackChars; at--) {
      if (!end.test(text[at - 1] ?? "")) continue;
      const cut = safeCut(text, at, known);
      if (cut > 0) return cut;
      break;
    }
  }
  return safeCut(text, text.length, known) || text.length;
}
