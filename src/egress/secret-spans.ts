import { needleBytesMax } from "./encodings.ts";
import { lineBreaksMax, openUnbroken } from "./line-breaks.ts";
import type { Scanner, Span } from "./scan.ts";

/** What was learned from one piece of a longer sequence of bytes. */
export interface Found {
  /** Where secrets are, line breaks within and between them included, in order. */
  spans: readonly Span[];
  /** The first span goes on with the last one of the piece before. */
  isContinued: boolean;
  /** From here on the bytes must be seen again, with what follows them: a secret may begin there. */
  keepFrom: number;
  /** To be given with them. */
  covered: number;
}

/** Finds secrets in bytes that come piece by piece; what it knows of them it gives back, so many can share one. */
export interface SecretSpans {
  /**
   * `covered` says how many of the first bytes, without line breaks, belong to the last span of the piece before; -1
   * when that is not near. Of a piece that is not the last, all but 5 KiB are done with.
   */
  next(piece: Buffer, covered: number, isLast: boolean): Found;
  /** There are none to be found. */
  isEmpty: boolean;
  /** Of all bytes at once. */
  all(bytes: Buffer): Span[];
}

/** What may have to be seen again, at the very most. */
export const keptBytesMax = needleBytesMax * (lineBreaksMax + 1);

/** Pieces of this size stay close to the processor. */
export const pieceBytes = 16 * 1024;

export function openSecretSpans(scanner: Scanner): SecretSpans {
  const unbroken = openUnbroken(pieceBytes + keptBytesMax);

  function next(piece: Buffer, covered: number, isLast: boolean): Found {
    const plain = unbroken.read(piece);
    const found = scanner.find(plain);
    const isContinued = covered >= 0;
    if (isContinued) startWith(found, covered);
    const cut = isLast ? plain.length : scanner.openFrom(plain);
    const spans: Span[] = [];
    let last: Span | undefined;
    for (const span of found) {
      // What begins behind the cut is found again with the next piece.
      if (span.from >= cut && !(isContinued && last === undefined)) break;
      const from = isContinued && last === undefined ? 0 : unbroken.placeOf(span.from);
      const to = span.to === 0 ? 0 : unbroken.placeOf(span.to - 1) + 1;
      spans.push({ ...span, from, to });
      last = span;
    }
    const isOpen = last !== undefined && last.to >= cut && !isLast;
    const end = isLast ? piece.length : unbroken.placeOf(cut);
    // Breaks behind a secret that ends at the cut are seen again: they are part of it when another one follows.
    const keepFrom = isOpen && last?.to === cut ? (spans.at(-1)?.to ?? 0) : end;
    return { spans, isContinued, keepFrom, covered: isOpen && last ? last.to - cut : -1 };
  }

  return {
    isEmpty: scanner.longest === 0,
    next,
    all(bytes) {
      const spans: Span[] = [];
      let from = 0;
      let covered = -1;
      for (;;) {
        const to = Math.min(bytes.length, from + pieceBytes);
        const found = next(bytes.subarray(from, to), covered, to === bytes.length);
        for (const [index, span] of found.spans.entries()) {
          const last = found.isContinued && index === 0 ? spans.at(-1) : undefined;
          if (last) {
            last.to = Math.max(last.to, from + span.to);
            last.isMarked ||= span.isMarked;
          } else spans.push({ ...span, from: from + span.from, to: from + span.to });
        }
        if (to === bytes.length) return spans;
        from += found.keepFrom;
        covered = found.covered;
      }
    },
  };
}

/** Adds a span at the beginning, and joins it with the one that touches it. */
function startWith(spans: Span[], to: number): void {
  const first = spans[0];
  if (first && first.from <= to) {
    spans[0] = { ...first, from: 0, to: Math.max(to, first.to) };
  } else {
    spans.unshift({ from: 0, to, isMarked: false });
  }
}
