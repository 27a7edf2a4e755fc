import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../contract/problem.ts";
import { partHeadBytes, readBoundary, watchPartHeads } from "./part-heads.ts";

const form = (parts: { head: string; body: string }[]) =>
  `${parts.map(({ head, body }) => `--b\r\n${head}\r\n\r\n${body}\r\n`).join("")}--b--\r\n`;

/** Shows a form in pieces of these sizes, over and over. */
function watch(text: string, sizes: number[], named: number): void {
  const heads = watchPartHeads("b");
  const bytes = Buffer.from(text);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    heads.see(bytes.subarray(at, at + size));
    at += size;
  }
  heads.checkEnd(named);
}

const text = fc.string({
  unit: fc.constantFrom("a", "\r\n", "\r", "\n", "-", "--b", "--", "x: y", "\r\n--c"),
});
const line = fc.stringMatching(/^[a-z]{1,10}: [a-z-]{0,20}$/);
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

describe("the heads of parts", () => {
  it("are counted the same however the form is cut, whatever is in its bodies", () => {
    const body = text.filter((one) => !`\r\n${one}\r\n`.includes("\r\n--b"));
    const part = fc.record({ head: line, body });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), sizes, (parts, cut) => {
        watch(form(parts), cut, parts.length);
        expect(() => watch(form(parts), cut, parts.length + 1)).toThrow(Problem);
      }),
    );
  });

  it("are refused one byte beyond their limit, wherever the form is cut", () => {
    fc.assert(
      fc.property(sizes, (cut) => {
        const head = (bytes: number) => ({ head: `x: ${"y".repeat(bytes - 5)}`, body: "z" });
        watch(form([head(partHeadBytes - 2)]), cut, 1);
        expect(() => watch(form([head(partHeadBytes + 4)]), cut, 1)).toThrow("headers of part 1");
      }),
      { numRuns: 20 },
    );
  });

  it("and a form without its end is refused", () => {
    expect(() => watch("--b\r\nx: y\r\n\r\nz", [1], 1)).toThrow(Problem);
  });
});

describe("a boundary", () => {
  it.each([
    ["multipart/form-data; boundary=abc", "abc"],
    ['multipart/form-data; charset=utf-8; Boundary="a b:c"', "a b:c"],
    ["multipart/form-data; boundary=----formdata-undici-012345; x=y", "----formdata-undici-012345"],
  ])("is read from %s", (type, boundary) => {
    expect(readBoundary(type)).toBe(boundary);
  });

  it.each([
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary="a',
    "multipart/form-data; boundary=a; boundary=b",
    `multipart/form-data; boundary=${"a".repeat(71)}`,
    'multipart/form-data; boundary="a "',
    "multipart/form-data; boundary=a\u00e9",
  ])("is refused in %s", (type) => {
    expect(() => readBoundary(type)).toThrow("names no boundary");
  });
});
