import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { oneLine } from "./one-line.ts";

describe("a text on one line", () => {
  it.each([
    ["ls -la | wc -l", "ls -la | wc -l"],
    ["grüße 漢字 😀", "grüße 漢字 😀"],
    ["true\nrm -r x\r\n\tdone", "true\\nrm -r x\\u{d}\\n\\tdone"],
    ["\u001b[2K\u001b[1Agone\u0007\0", "\\u{1b}[2K\\u{1b}[1Agone\\u{7}\\u{0}"],
    ["a\u202etxt.exe\u2066b\u200f", "a\\u{202e}txt.exe\\u{2066}b\\u{200f}"],
    ["cu\u200brl \ufeffx\u2060", "cu\\u{200b}rl \\u{feff}x\\u{2060}"],
    ["a\u2028b\u2029c\u0085d", "a\\u{2028}b\\u{2029}c\\u{85}d"],
    ["rm\u00a0-r\u3000x\u2800\u3164", "rm\\u{a0}-r\\u{3000}x\\u{2800}\\u{3164}"],
    ["tag\u{e0041}\u{e007f}", "tag\\u{e0041}\\u{e007f}"],
    ["half \ud83d of one", "half \\u{d83d} of one"],
    ["", ""],
  ])("shows %j as what it is", (text, shown) => {
    expect(oneLine(text)).toBe(shown);
  });

  it("counts what it leaves out, so that nothing hides behind ten thousand spaces (G08)", () => {
    const shown = oneLine(`ls${" ".repeat(10_000)}; rm -r x`);
    expect(shown.startsWith("ls   ")).toBe(true);
    expect(shown.endsWith("… (9812 characters more)")).toBe(true);
    expect(oneLine("x".repeat(200))).toBe("x".repeat(200));
    expect(oneLine("x".repeat(201))).toBe(`${"x".repeat(199)}… (2 characters more)`);
  });

  it("is not cut between the halves of a character", () => {
    for (const start of ["", "x"]) {
      const shown = oneLine(`${start}${"😀".repeat(10)}`, 7);
      expect(shown.isWellFormed()).toBe(true);
      expect(shown).toMatch(/^x?(😀)+… \(\d+ characters more\)$/u);
    }
  });

  it("has one short line without anything unseen, whatever the text", () => {
    const any = fc.string({ unit: "binary", maxLength: 300 });
    fc.assert(
      fc.property(any, fc.integer({ min: 1, max: 200 }), (text, max) => {
        const shown = oneLine(text, max);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{DI}]/u);
        expect(shown.length).toBeLessThanOrEqual(max + 40);
        expect(shown.isWellFormed()).toBe(true);
      }),
    );
  });
});
