/** A part of some bytes, from its first to behind its last. */
export interface Span {
  from: number;
  to: number;
  /** A marked needle is in it. */
  isMarked: boolean;
}

export interface Scanner {
  /** Every place where a needle is, joined where they touch or overlap, in order. */
  find(bytes: Uint8Array): Span[];
  /** Whether there is any, and whether the first one that was complete is marked. */
  has(bytes: Uint8Array): "none" | "some" | "marked";
  /** Where the first needle may begin that these bytes do not hold to its end; their length when there is none. */
  openFrom(bytes: Uint8Array): number;
  /** The length of the longest needle. */
  longest: number;
}

const windowMax = 16;
const blockBytes = 3;
const noNeedles: readonly Uint8Array[] = [];
const nothing = new Uint8Array(0);

/**
 * Looks for many needles at once (Wu and Manber): the three bytes at the end of a window say how far no needle can end,
 * so most of the text is never looked at. An expression with hundreds of alternatives is slower by far, and a state
 * machine over long secrets takes gigabytes. The window is the end of each needle: secrets have beginnings in common
 * (`sk-`), and a text full of those must not be slow. Needles have at least 3 bytes; `marked` ones are told apart.
 */
export function openScanner(
  plain: readonly Uint8Array[],
  marked: readonly Uint8Array[] = [],
): Scanner {
  const needles = sortedByEnd(plain, marked);
  const window = needles.reduce((least, { bytes }) => Math.min(least, bytes.length), windowMax);
  const bits = tableBits(needles.length * window);
  const drop = 32 - bits;
  const shifts = new Uint8Array(1 << bits).fill(Math.max(1, window - blockBytes + 1));
  /** The first needle that ends in some blocks, after each needle the next one, or -1, and what it shares with that. */
  const headBits = Math.min(bits, tableBits(needles.length / 4));
  const heads = new Int32Array(1 << headBits).fill(-1);
  const more = bits - headBits;
  const nexts = new Int32Array(needles.length).fill(-1);
  const shared = new Int32Array(needles.length);
  for (let index = needles.length - 1; index >= 0; index--) {
    const bytes = needles[index]?.bytes ?? nothing;
    for (let left = window - blockBytes; left >= 0; left--) {
      const block = blockAt(bytes, bytes.length - 1 - left, drop);
      shifts[block] = Math.min(shifts[block] ?? 0, left);
    }
    const last = blockAt(bytes, bytes.length - 1, drop) >>> more;
    const next = heads[last] ?? -1;
    nexts[index] = next;
    shared[index] = next < 0 ? 0 : sharedEnd(bytes, needles[next]?.bytes ?? nothing);
    heads[last] = index;
  }

  function scan(
    bytes: Uint8Array,
    found: (from: number, to: number, isMarked: boolean) => boolean,
  ) {
    let end = window - 1;
    while (end < bytes.length) {
      const block = blockAt(bytes, end, drop);
      const shift = shifts[block] ?? 0;
      if (shift > 0) {
        end += shift;
        continue;
      }
      let index = heads[block >>> more] ?? -1;
      for (let matched = 0, common = 0; index >= 0; index = nexts[index] ?? -1) {
        const needle = needles[index];
        // Where this one is like the one before, it is like the text as far as that was.
        if (common < matched) matched = common;
        else if (needle && common === matched)
          matched = matchedEnd(bytes, end, needle.bytes, matched);
        common = shared[index] ?? 0;
        const length = needle?.bytes.length ?? 0;
        if (needle && matched === length && found(end + 1 - length, end + 1, needle.isMarked))
          return;
      }
      end += 1;
    }
  }

  return {
    longest: needles.reduce((most, { bytes }) => Math.max(most, bytes.length), 0),
    find(bytes) {
      const spans: Span[] = [];
      if (needles.length === 0) return spans;
      scan(bytes, (from, to, isMarked) => {
        join(spans, { from, to, isMarked });
        return false;
      });
      return spans;
    },
    has(bytes) {
      let answer: "none" | "some" | "marked" = "none";
      if (needles.length === 0) return answer;
      scan(bytes, (_from, _to, isMarked) => {
        answer = isMarked ? "marked" : "some";
        return true;
      });
      return answer;
    },
    openFrom: openings(needles.map(({ bytes }) => bytes)),
  };
}

/** Enough entries that few blocks share one, and no more than a processor keeps close. */
function tableBits(blocks: number): number {
  return Math.min(20, Math.max(10, Math.ceil(Math.log2(blocks * 8 + 1))));
}

function blockAt(bytes: Uint8Array, end: number, drop: number): number {
  const block = ((bytes[end - 2] ?? 0) << 16) | ((bytes[end - 1] ?? 0) << 8) | (bytes[end] ?? 0);
  return Math.imul(block, 0x9e3779b1) >>> drop;
}

/** Spans come in order of their ends, so a long one may take in several before it. */
function join(spans: Span[], span: Span): void {
  let last = spans.at(-1);
  while (last && span.from <= last.to) {
    span.from = Math.min(span.from, last.from);
    span.to = Math.max(span.to, last.to);
    span.isMarked ||= last.isMarked;
    spans.pop();
    last = spans.at(-1);
  }
  spans.push(span);
}

interface Needle {
  bytes: Uint8Array;
  isMarked: boolean;
}

/**
 * Those with the same end stand together, so that what they share is compared once: somebody who may choose secrets and
 * text could else have each place of the text compared with each of them. Of two that are the same the marked one is first.
 */
function sortedByEnd(plain: readonly Uint8Array[], marked: readonly Uint8Array[]): Needle[] {
  const needles = [
    ...marked.map((bytes) => ({ bytes, isMarked: true })),
    ...plain.map((bytes) => ({ bytes, isMarked: false })),
  ];
  return needles.sort(({ bytes: a }, { bytes: b }) => {
    const same = sharedEnd(a, b);
    return (a[a.length - 1 - same] ?? -1) - (b[b.length - 1 - same] ?? -1);
  });
}

/** How many bytes at the end of both are the same. */
function sharedEnd(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  let same = 0;
  while (same < most && a[a.length - 1 - same] === b[b.length - 1 - same]) same += 1;
  return same;
}

/** How many bytes of the needle's end are those of the text up to there; so many are known to be. */
function matchedEnd(bytes: Uint8Array, end: number, needle: Uint8Array, known: number): number {
  const most = Math.min(needle.length, end + 1);
  let matched = known;
  while (matched < most && bytes[end - matched] === needle[needle.length - 1 - matched])
    matched += 1;
  return matched;
}

function openings(needles: readonly Uint8Array[]): (bytes: Uint8Array) => number {
  const longest = needles.reduce((most, { length }) => Math.max(most, length), 0);
  const firsts = new Uint8Array(256);
  const pairs = new Map<number, Uint8Array[]>();
  const pairOf = (bytes: Uint8Array, at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  for (const needle of needles) {
    firsts[needle[0] ?? 0] = 1;
    const pair = pairOf(needle, 0);
    const same = pairs.get(pair);
    if (same) same.push(needle);
    else pairs.set(pair, [needle]);
  }
  return (bytes) => {
    const { length } = bytes;
    for (let from = Math.max(0, length - longest + 1); from < length; from++) {
      if (firsts[bytes[from] ?? 0] === 0) continue;
      if (from === length - 1) return from;
      for (const needle of pairs.get(pairOf(bytes, from)) ?? noNeedles) {
        if (beginsAt(bytes, from, needle)) return from;
      }
    }
    return length;
  };
}

/** Whether all that comes from there on is the beginning of the needle, and not all of it. */
function beginsAt(bytes: Uint8Array, from: number, needle: Uint8Array): boolean {
  const length = bytes.length - from;
  if (length >= needle.length) return false;
  for (let i = 2; i < length; i++) if (bytes[from + i] !== needle[i]) return false;
  return true;
}
