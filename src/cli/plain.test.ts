import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plain, plainJson, plainLine } from "./plain.ts";

/** Strings full of what an attacker would send, beside every other character there is. */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)) }),
      fc.constantFrom(
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b]52;c;cm0=\x1b\\",
        "\x9b31m",
        "\r",
        "\r\n",
        "\u202e",
        "\u{e0041}",
        "\ud800",
        "\u2028",
      ),
    ),
  )
  .map((parts) => parts.join(""));

/** The same judgement in other words: a code-point walk in place of a regular expression. */
function isHostile(char: string): boolean {
  const code = char.codePointAt(0) ?? 0;
  if (code === 0x09 || code === 0x0a) return false;
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    [0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0xfeff].includes(code) ||
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069) ||
    (code >= 0xd800 && code <= 0xdfff) ||
    (code >= 0xe0000 && code <= 0xe007f)
  );
}

describe("text of a run", () => {
  it("never holds a control, a direction mark or a lone surrogate", () => {
    fc.assert(
      fc.property(text, (input) => {
        const output = plain(input);
        expect([...output].filter(isHostile)).toEqual([]);
        expect(stripVTControlCharacters(output)).toBe(output);
        expect(plain(output)).toBe(output);
      }),
    );
  });

  it("stays on its line when it should", () => {
    fc.assert(fc.property(text, (input) => !/[\n\t]/.test(plainLine(input))));
  });

  it("leaves every other character alone", () => {
    fc.assert(
      fc.property(text, (input) => {
        const kept = [...input].filter((char) => !isHostile(char)).join("");
        expect(plain(kept)).toBe(kept);
      }),
    );
    expect(plain("naïve – 日本語 👩‍💻\tA\n")).toBe("naïve – 日本語 👩‍💻\tA\n");
  });

  it("shows what an attack would have done", () => {
    expect(plain("ok\x1b[1A\rdone")).toBe("ok\\x1b[1A\\x0ddone");
    expect(plain("abc\u202etxt.exe")).toBe("abc\\u202etxt.exe");
  });
});

describe("JSON", () => {
  it("means the same and is safe to look at", () => {
    fc.assert(
      fc.property(text, (input) => {
        const json = plainJson({ [input]: [input] });
        expect(JSON.parse(json)).toEqual({ [input]: [input] });
        expect([...json].filter(isHostile)).toEqual([]);
        expect(json).not.toMatch(/\n/);
      }),
    );
  });
});
