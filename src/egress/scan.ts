/** A part of some bytes, from its first to behind its last. */
export interface Span {
  from: number;
  to: number;
}

export interface Scanner {
  /** Every place where a needle is, joined where they touch or overlap, in order. */
  find(bytes: Uint8Array): Span[];
  /** Whether there is any. */
  has(bytes: Uint8Array): boolean;
  /** The length of the longest needle. */
  longest: number;
}

const windowMax = 16;
const noNeedles: Buffer[] = [];

/**
 * Looks for many needles at once (Wu and Manber): the two bytes at the end of a window say how far no needle can begin,
 * so most of the text is never looked at. An expression with hundreds of alternatives is slower by far, and a state
 * machine over long secrets takes gigabytes.
 */
export function openScanner(needles: readonly Buffer[]): Scanner {
  const window = Math.min(windowMax, ...needles.map((needle) => needle.length));
  const shifts = new Uint8Array(65_536).fill(window - 1);
  const buckets = new Map<number, Buffer[]>();
  for (const needle of needles) {
    for (let at = 1; at < window; at++) {
      const pair = pairAt(needle, at);
      shifts[pair] = Math.min(shifts[pair] ?? 0, window - 1 - at);
    }
    const last = pairAt(needle, window - 1);
    buckets.set(last, [...(buckets.get(last) ?? noNeedles), needle]);
  }

  function scan(bytes: Uint8Array, found: (span: Span) => boolean): void {
    let end = window - 1;
    while (end < bytes.length) {
      const pair = pairAt(bytes, end);
      const shift = shifts[pair] ?? 0;
      if (shift > 0) {
        end += shift;
        continue;
      }
      const from = end - window + 1;
      for (const needle of buckets.get(pair) ?? noNeedles) {
        if (isAt(bytes, from, needle) && found({ from, to: from + needle.length })) return;
      }
      end += 1;
    }
  }

  return {
    longest: Math.max(0, ...needles.map((needle) => needle.length)),
    find(bytes) {
      const spans: Span[] = [];
      if (needles.length === 0) return spans;
      scan(bytes, (span) => {
        const last = spans.at(-1);
        if (last && span.from <= last.to) last.to = Math.max(last.to, span.to);
        else spans.push(span);
        return false;
      });
      return spans;
    },
    has(bytes) {
      let any = false;
      if (needles.length > 0) {
        scan(bytes, () => {
          any = true;
          return true;
        });
      }
      return any;
    },
  };
}

function pairAt(bytes: Uint8Array, end: number): number {
  return ((bytes[end - 1] ?? 0) << 8) | (bytes[end] ?? 0);
}

function isAt(bytes: Uint8Array, from: number, needle: Uint8Array): boolean {
  if (from + needle.length > bytes.length) return false;
  for (let i = 0; i < needle.length; i++) if (bytes[from + i] !== needle[i]) return false;
  return true;
}
