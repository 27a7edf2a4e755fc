import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contentNameProblem } from "./content-name.ts";

describe("a content name", () => {
  test.each(["main.py", "a", "_x", "9", "src/app/main.test.ts", "a..b", "a-b_c.d", "x/SKILL.md"])(
    "may be %j",
    (name) => {
      expect(contentNameProblem(name)).toBeUndefined();
    },
  );

  test.each([
    ["", /must not be empty/],
    ["/etc/passwd", /leading '\/'/],
    ["../x", /'\.\.' segment/],
    ["a/../../x", /'\.\.' segment/],
    ["./x", /'\.' segment/],
    ["a//b", /empty segment/],
    ["a/", /empty segment/],
    [".env", /starts with '\.'/],
    ["-rf", /starts with '-'/],
    ["a/-rf", /starts with '-'/],
    ["a b", /not " "/],
    ["a;rm", /not ";"/],
    ["a\nb", /not "\\n"/],
    ["a\0b", /not "\\u0000"/],
    ["größe", /not "ö"/],
    ["x😀", /not "😀"/],
    ["SKILL.md", /reserved/],
    ["runtime.lock", /reserved/],
    ["a/".repeat(300), /512 bytes/],
    ["a".repeat(256), /255 bytes/],
  ])("must not be %j", (name, reason) => {
    expect(contentNameProblem(name)).toMatch(reason);
  });

  test("is accepted exactly when the rule says so", () => {
    const rule = /^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/;
    const name = fc.string({ unit: fc.constantFrom("a", "Z", "0", "_", ".", "-", "/", " ", "\n") });
    fc.assert(
      fc.property(name, (text) => {
        expect(contentNameProblem(text) === undefined).toBe(rule.test(text));
      }),
    );
  });
});
