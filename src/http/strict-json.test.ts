import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { Problem } from "../contract/problem.ts";
import { parseStrictJson } from "./strict-json.ts";

const bounds = { depth: 64, values: 10_000 };
const parse = (text: string) => parseStrictJson(Buffer.from(text), bounds);

/** The message of the refusal; undefined when the text was accepted. */
function refusal(bytes: Uint8Array | string, limits = bounds): string | undefined {
  try {
    parseStrictJson(Buffer.from(bytes as Uint8Array), limits);
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    expect(error.code).toBe("invalid_request");
    return error.message;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    return !(error instanceof SyntaxError);
  }
}

describe("parseStrictJson()", () => {
  it("reads what JSON.stringify writes, to the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 10 }), fc.nat(4), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        if (text.includes('"__proto__"') || !JSON.stringify(value).isWellFormed()) return;
        if (/\\u[dD][89a-fA-F]/.test(text)) return;
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it("accepts exactly what JSON.parse accepts, in texts made of JSON's own pieces", () => {
    const pieces = [
      ...'{}[],:"\\ \n\t0123456789-+.eE',
      ...["true", "false", "null", '"a"', '"b"', '"\\u0061"', '"\\x"', "nul", "\u0001", "01", "é"],
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        const message = refusal(text);
        if (message?.includes("twice") || message?.includes("too large")) return;
        expect(message === undefined, `${JSON.stringify(text)}: ${message}`).toBe(isJson(text));
      }),
      { numRuns: 20_000 },
    );
  });

  it("agrees with JSON.parse after one character of a good text was changed", () => {
    const mutation = fc.tuple(fc.jsonValue(), fc.nat(), fc.constantFrom(...'{}[],:"\\ 0-x'));
    fc.assert(
      fc.property(mutation, ([value, at, char]) => {
        const good = JSON.stringify({ a: value, b: [value] });
        const i = at % good.length;
        const text = good.slice(0, i) + char + good.slice(i + 1);
        const message = refusal(text);
        if (message !== undefined && /twice|too large|surrogate|__proto__/.test(message)) return;
        expect(message === undefined, `${text}: ${message}`).toBe(isJson(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it("never throws anything but a Problem, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        refusal(bytes);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ["a member that comes twice", '{"a":1,"a":2}', '"a" appears twice'],
    ["a member that comes twice in another spelling", '{"a":1,"\\u0061":2}', '"a" appears twice'],
    ["a member that comes twice deep inside", '{"x":[{"k":1, "k":1}]}', '"k" appears twice'],
    ["the name __proto__", '{"a":{"__proto__":{"x":1}}}', "__proto__"],
    ["the name __proto__ in escapes", '{"\\u005f_proto__":1}', "__proto__"],
    ["half a surrogate pair", '["\\ud800"]', "surrogate"],
    ["a reversed surrogate pair", '"\\udc00\\ud800"', "surrogate"],
    ["a number beyond a double", '{"n":1e999}', "too large"],
    ["a byte order mark", "\ufeff{}", "byte order mark"],
    ["an empty text", " ", "expected a value"],
    ["two values", "{} {}", "expected nothing after"],
    ["a trailing comma", "[1,]", "expected a value"],
    ["a string that does not end", '["abc', "not closed"],
    ["a raw line break in a string", '"a\nb"', "control character"],
  ])("refuses %s", (_name, text, reason) => {
    expect(refusal(text)).toContain(reason);
  });

  it("accepts whole surrogate pairs, the same name in different objects, and the name constructor", () => {
    const text = '{"a":{"x":"\\ud83d\\ude00"},"b":{"x":1},"constructor":{"prototype":1}}';
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it("names the place: line and column", () => {
    expect(refusal('{\n  "a": 1,\n  "b": x\n}')).toContain("at line 3, column 8");
  });

  it("names the first byte that is not UTF-8, also behind a real replacement character", () => {
    expect(refusal(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toContain("at byte 1");
    const genuine = Buffer.concat([Buffer.from('"\ufffdé'), Buffer.from([0xff]), Buffer.from('"')]);
    expect(refusal(genuine)).toContain("at byte 6");
    expect(refusal(Buffer.from([0x22, 0xe2, 0x82]))).toContain("at byte 1");
  });

  it("does not quote a name below secrets, where it may be the secret", () => {
    const twice = (member: string) => `{"${member}":{"sk-canary":1,"sk-canary":2}}`;
    expect(refusal(twice("secrets"))).not.toContain("canary");
    expect(refusal(twice("metadata"))).toContain("canary");
  });

  it("accepts nesting up to the bound and refuses one more, at any depth without a stack overflow", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(refusal(nested(64))).toBeUndefined();
    expect(refusal(nested(65))).toContain("64 levels");
    expect(refusal('{"a":'.repeat(1_000_000))).toContain("64 levels");
  });

  it("refuses more values than the bound: small texts can be large in memory", () => {
    const many = (count: number) => `[${Array(count).fill("{}").join(",")}]`;
    expect(refusal(many(9), { depth: 5, values: 10 })).toBeUndefined();
    expect(refusal(many(10), { depth: 5, values: 10 })).toContain("at most 10 values");
  });

  it("reads 16 MiB in time that grows with its length only", async () => {
    const long = JSON.stringify({ prompt: 'a\\"é'.repeat(2_500_000) });
    const read = () => {
      expect(refusal(long)).toBeUndefined();
      expect(refusal(`"${"\\".repeat(4_000_000)}`)).toContain("not closed");
      expect(refusal(" ".repeat(16_000_000))).toContain("expected a value");
    };
    expect(await cpuMs(read)).toBeLessThan(10_000);
  });
});
