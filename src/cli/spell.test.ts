import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { disguisedWords, spell, spellLine } from "./spell.ts";

const letter = (code: number) => String.fromCodePoint(code);
const anything = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme" }),
      fc.constantFrom(
        "\x1b[2J",
        "\r",
        "\u202e",
        "\u200b",
        "\u2066",
        "\u{e0041}",
        "\u3164",
        "\ud800",
      ),
      fc.constantFrom(
        "\u00a0",
        "\u2028",
        "\u00ad",
        "\u2800",
        "\ufe0f",
        " ".repeat(500),
        "\n".repeat(50),
      ),
    ),
  )
  .map((parts) => parts.join(""));

describe("text that a person decides on", () => {
  it("holds nothing that cannot be seen, whatever it was", () => {
    fc.assert(
      fc.property(anything, (input) => {
        const { text } = spell(input);
        expect(text).not.toMatch(/[^\P{C}\n\t]|[\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u);
        expect(text).not.toMatch(/[^\P{Zs} ]/u);
        expect(text).not.toMatch(/[ \t]{200}|\n{22}/);
        expect(spellLine(input)).not.toMatch(/[\n\t]/);
      }),
    );
  });

  it("is the text itself when all of it can be seen", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii" }), (input) => {
        expect(spell(input)).toEqual({ text: input, hidden: [], emptiness: [] });
      }),
    );
    const honest = "naïve – 日本語 'é' \tcat <<EOF\n\n  indented\nEOF\n";
    expect(spell(honest)).toEqual({ text: honest, hidden: [], emptiness: [] });
  });

  it.each([
    [0x202e, "right-to-left override"],
    [0x2066, "isolate"],
    [0x200b, "zero width space"],
    [0x200d, "joiner"],
    [0x2060, "word joiner"],
    [0xfeff, "byte order mark"],
    [0xad, "soft hyphen"],
    [0x3164, "Hangul filler"],
    [0xa0, "no-break space"],
    [0x3000, "wide space"],
    [0x2028, "line separator"],
    [0x1b, "escape"],
    [0x0d, "carriage return"],
    [0x9b, "C1 control"],
    [0xe0041, "tag"],
    [0xfe0f, "variation selector"],
    [0x20dd, "enclosing mark"],
    [0x2800, "empty Braille"],
  ])("spells %i out, and says so: %s", (code) => {
    const { text, hidden } = spell(`rm${letter(code)} -rf`);
    expect(text).toBe(`rm\\u{${code.toString(16)}} -rf`);
    expect(hidden).toEqual([`\\u{${code.toString(16)}}`]);
  });

  it("tells emptiness in words, and shows what comes after it", () => {
    const { text, emptiness } = spell(
      `echo ok${" ".repeat(10_000)}; rm -rf ~${"\n".repeat(301)}tail`,
    );
    expect(text).toBe("echo ok⟨10,000 blanks⟩; rm -rf ~\n⟨300 empty lines⟩\ntail");
    expect(emptiness).toEqual(["⟨300 empty lines⟩", "⟨10,000 blanks⟩"]);
  });

  it("finds words that are not what they look like, and no others", () => {
    expect(disguisedWords("сurl -s ｇｉｔ 𝐬𝐮𝐝𝐨 pаypal.com")).toEqual([
      "сurl",
      "ｇｉｔ",
      "𝐬𝐮𝐝𝐨",
      "pаypal.com",
    ]);
    expect(disguisedWords("curl naïve Москва λόγος 日本語.txt größe")).toEqual([]);
  });
});
