import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDuration, showDuration } from "./duration.ts";

describe("durations", () => {
  it("are a number and a unit, or bare milliseconds", () => {
    const factors = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
    const unit = fc.constantFrom(...(Object.keys(factors) as (keyof typeof factors)[]));
    fc.assert(
      fc.property(fc.nat({ max: 500 }), fc.nat({ max: 999 }), unit, (whole, part, name) => {
        expect(parseDuration(`${whole}${name}`)).toBe(whole * factors[name]);
        const fraction = `${whole}.${String(part).padStart(3, "0")}`;
        expect(parseDuration(fraction + name)).toBe(Math.round(Number(fraction) * factors[name]));
      }),
    );
  });

  it("are never guessed", () => {
    for (const text of [
      "",
      " 5s",
      "5 s",
      "5min",
      "-5s",
      "+5s",
      "soon",
      ".5s",
      "5.s",
      "1e3",
      "5S",
    ]) {
      expect(parseDuration(text)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        const shaped = /^\d+(\.\d+)?(ms|s|m|h)?$/.test(text);
        expect(parseDuration(text) !== undefined).toBe(shaped);
      }),
    );
  });

  it("are refused when no timer is that long", () => {
    expect(parseDuration("596h")).toBe(2_145_600_000);
    expect(parseDuration("597h")).toBeUndefined();
  });

  it("are shown in the unit that people would use", () => {
    expect(
      [0, 999.7, 1_000, 59_999, 60_000, 245_000, 3_600_000, 7_620_000].map(showDuration),
    ).toEqual(["0 ms", "1.0 s", "1.0 s", "59.9 s", "1 m 00 s", "4 m 05 s", "1 h 00 m", "2 h 07 m"]);
  });
});
