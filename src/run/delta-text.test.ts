import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redactor } from "../egress/egress.ts";
import { openDeltaText } from "./delta-text.ts";

/** The text as it is shown, when it comes in these pieces; what is held back at the end is left out. */
function shownOf(pieces: readonly string[], secrets: readonly string[]): string {
  const show = openDeltaText(redactor(secrets).stream());
  let shown = "";
  for (const piece of pieces) {
    const delta = show(piece);
    if (delta === undefined) continue;
    expect(delta.offset).toBe(shown.length);
    shown += delta.text;
  }
  return shown;
}

describe("the live text of a reply", () => {
  it("holds no secret, however it comes in pieces, and its offsets fit together", () => {
    const secret = "sk-live-Zq9Xw7Lm3";
    const text = `The key is ${secret}, and that was it. ${"x".repeat(100)}`;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lengths) => {
        const pieces: string[] = [];
        for (let at = 0, n = 0; at < text.length; n++) {
          const length = lengths[n % lengths.length] ?? 1;
          pieces.push(text.slice(at, at + length));
          at += length;
        }
        const shown = shownOf(pieces, [secret]);
        expect(shown).toContain("The key is [redacted], and that was it.");
        expect(shown).not.toContain("sk-live");
      }),
    );
  });

  it("comes at once and unchanged where there is no secret, between the halves of a character too", () => {
    const pieces = ["Grüße 😀".slice(0, 7), "Grüße 😀".slice(7), "!"];
    expect(shownOf(pieces, ["sk-live-Zq9Xw7Lm3"])).toBe("Grüße 😀!");
  });
});
