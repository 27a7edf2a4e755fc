import { describe, expect, it } from "vitest";
import { restOf } from "./program-output.ts";

describe("the rest of a program's output", () => {
  const all = `${"h".repeat(100)}é${"m".repeat(1000)}${"t".repeat(100)}`;
  const total = Buffer.byteLength(all);
  const shown = `${"h".repeat(100)}é\n[… 1000 bytes are left out here …]\n${"t".repeat(100)}`;

  it.each([0, 1, 100, 102, 1000, total])("is exact behind %i bytes that were seen", (seen) => {
    const before = Buffer.from(all).subarray(0, seen).toString();
    expect(before + restOf(all, undefined, seen)).toBe(all);
  });

  it("says what is not there of a stream that was too long to be kept whole", () => {
    expect(restOf(shown, total, 0)).toBe(shown);
    expect(restOf(shown, total, 50)).toBe(shown.slice(50));
    expect(restOf(shown, total, 602)).toBe(
      `\n[… 500 bytes are left out here …]\n${"t".repeat(100)}`,
    );
    expect(restOf(shown, total, total - 30)).toBe("t".repeat(30));
    expect(restOf(shown, total, total)).toBe("");
  });
});
