import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutText, wholeText } from "./whole-text.ts";

describe("a text that is cut", () => {
  it("has no half of a character that it did not have, and is as long as it may be", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 20 });
    fc.assert(
      fc.property(text, fc.nat(40), (whole, most) => {
        const cut = cutText(whole, most);
        expect(whole.startsWith(cut)).toBe(true);
        expect(cut.isWellFormed()).toBe(true);
        const left = Math.min(whole.length, most) - cut.length;
        expect(left === 0 || (left === 1 && !whole.slice(0, most).isWellFormed())).toBe(true);
      }),
    );
  });
});

describe("a value with whole texts", () => {
  it("is the same when its texts are whole", () => {
    const same = fc.property(fc.jsonValue(), (value) => {
      expect(wholeText(value)).toEqual(value);
    });
    fc.assert(same);
  });

  it("has a sign for each half of a character, also in the names of members", () => {
    const value = JSON.parse('{"__proto__":["a\\ud83d",{"\\udf20":1}],"n":null}');
    const whole = JSON.parse('{"__proto__":["a\\ufffd",{"\\ufffd":1}],"n":null}');
    expect(JSON.stringify(wholeText(value))).toBe(JSON.stringify(whole));
  });
});
