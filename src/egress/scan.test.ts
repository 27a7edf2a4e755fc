import fc from "fast-check";
import { expect, test } from "vitest";
import { openScanner, type Span } from "./scan.ts";

/** The same by looking at every place for every needle. */
function slowly(bytes: Buffer, plain: readonly Buffer[], marked: readonly Buffer[]): Span[] {
  const covered = Array.from({ length: bytes.length }, () => false);
  const isMarkedAt = Array.from({ length: bytes.length }, () => false);
  for (const [isMarked, needles] of [
    [false, plain],
    [true, marked],
  ] as const) {
    for (const needle of needles) {
      for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
        for (let i = at; i < at + needle.length; i++) {
          covered[i] = true;
          if (isMarked) isMarkedAt[i] = true;
        }
      }
    }
  }
  const spans: Span[] = [];
  for (let i = 0; i < bytes.length; i++) {
    if (!covered[i]) continue;
    const last = spans.at(-1);
    if (last?.to === i) {
      last.to = i + 1;
      last.isMarked ||= isMarkedAt[i] ?? false;
    } else spans.push({ from: i, to: i + 1, isMarked: isMarkedAt[i] ?? false });
  }
  return spans;
}

const letters = (minLength: number, maxLength: number) =>
  fc
    .string({ unit: fc.constantFrom("a", "b", "c"), minLength, maxLength })
    .map((text) => Buffer.from(text));
const needles = fc.array(letters(3, 30), { maxLength: 8 });

test("a scanner finds every place of every needle, and nothing else, whatever they have in common", () => {
  fc.assert(
    fc.property(needles, needles, letters(0, 300), (plain, marked, text) => {
      const all = [text, ...plain.slice(0, 2), text.subarray(0, 20), ...marked.slice(0, 2)];
      const bytes = Buffer.concat(all);
      const scanner = openScanner(plain, marked);
      const expected = slowly(bytes, plain, marked);
      expect(scanner.find(bytes)).toEqual(expected);
      const has = scanner.has(bytes);
      expect(has !== "none").toBe(expected.length > 0);
      if (!expected.some(({ isMarked }) => isMarked)) expect(has).not.toBe("marked");
    }),
    { numRuns: 3_000 },
  );
});

test("a scanner knows where a needle may begin that is not complete", () => {
  fc.assert(
    fc.property(needles, letters(0, 60), (plain, text) => {
      const bytes = Buffer.concat([
        text,
        ...plain.slice(0, 1).map((needle) => needle.subarray(0, -1)),
      ]);
      let expected = bytes.length;
      for (let at = bytes.length - 1; at >= 0; at--) {
        const rest = bytes.subarray(at);
        const isOpen = plain.some(
          (needle) => needle.length > rest.length && needle.subarray(0, rest.length).equals(rest),
        );
        if (isOpen) expected = at;
      }
      expect(openScanner(plain).openFrom(bytes)).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
});
