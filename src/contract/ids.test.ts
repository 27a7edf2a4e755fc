import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CallId, Digest, newId, OutputId, RunId } from "./ids.ts";

describe("newId()", () => {
  it("makes ids that their own schema takes and another's does not", () => {
    expect(RunId.parse(newId("run"))).toMatch(/^run_[0-9a-z]{26}$/);
    expect(CallId.parse(newId("call"))).toMatch(/^call_/);
    expect(OutputId.safeParse(newId("run")).success).toBe(false);
  });

  it("makes ids that sort by time as text, also within a millisecond and when the clock steps back", () => {
    const now = Date.now();
    const times = [now, now, now + 5, now - 86_400_000, now + 5, now + 6];
    const ids = times.map((time) => newId("run", time));
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("never makes the same id twice", () => {
    expect(new Set(Array.from({ length: 20_000 }, () => newId("call"))).size).toBe(20_000);
  });
});

describe("the schemas of ids", () => {
  it("take nothing that could be a path, a pattern or another id", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(RunId.safeParse(text).success).toBe(false);
        expect(Digest.safeParse(text).success).toBe(false);
      }),
    );
    for (const wrong of [
      "../x",
      "RUN_01KADZ3V6M5C0JX9S2QF8T7W4B",
      "run_%00",
      `run_${"z".repeat(26)}`,
    ]) {
      expect(RunId.safeParse(wrong).success).toBe(false);
    }
  });

  it("take a digest in its one spelling only", () => {
    const hex = "ab".repeat(32);
    expect(Digest.safeParse(`sha256:${hex}`).success).toBe(true);
    for (const wrong of [hex, `sha256:${hex.toUpperCase()}`, `sha512:${hex}`, `sha256:${hex}0`]) {
      expect(Digest.safeParse(wrong).success).toBe(false);
    }
  });
});
