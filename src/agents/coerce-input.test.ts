import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coerceInput } from "./agents.ts";

const report = {
  type: "object",
  required: ["record_id", "format"],
  properties: {
    record_id: { type: "string" },
    format: { type: "string", enum: ["summary", "full"] },
    pages: { type: "integer", minimum: 1, default: 1 },
  },
  additionalProperties: false,
};
const script = { mode: "script" } as const;
const soft = { mode: "reasoning" } as const;
const strict = { mode: "reasoning", validation: "strict" } as const;

describe("what an agent accepts", () => {
  it("is everything when it says nothing", () => {
    expect(coerceInput(undefined, { message: "go" }, script)).toEqual({
      ...{ ok: true, message: "go", changes: [] },
    });
    expect(coerceInput(true, { input: { a: 1 } }, soft)).toMatchObject({
      ...{ ok: true, input: { a: 1 }, message: '{\n  "a": 1\n}' },
    });
  });

  it("is filled with defaults and turned into the types that the schema has", () => {
    const input = { record_id: 7, format: "full", pages: "3" };
    expect(coerceInput(report, { input }, script)).toEqual({
      ok: true,
      message: JSON.stringify({ record_id: "7", format: "full", pages: 3 }, null, 2),
      input: { record_id: "7", format: "full", pages: 3 },
      changes: ["record_id was a number and is a string", "pages was a string and is a number"],
    });
    expect(input.pages).toBe("3");
    expect(
      coerceInput(report, { input: { record_id: "a", format: "full" } }, script),
    ).toMatchObject({
      ...{ input: { pages: 1 }, changes: ["pages has its default"] },
    });
  });

  it("is read from a message that is JSON", () => {
    const message = '{"record_id":"abc123","format":"summary"}';
    for (const rules of [script, soft, strict]) {
      expect(coerceInput(report, { message }, rules)).toMatchObject({
        ...{ ok: true, input: { record_id: "abc123", format: "summary", pages: 1 } },
      });
    }
  });

  it("may be a plain text that becomes the one text that an object needs", () => {
    const accepts = {
      type: "object",
      required: ["city"],
      properties: { city: { type: "string" }, days: { type: "integer", default: 3 } },
    };
    for (const rules of [script, soft, strict]) {
      expect(coerceInput(accepts, { message: "Ghent" }, rules)).toEqual({
        ...{ ok: true, message: "Ghent", input: { city: "Ghent", days: 3 } },
        changes: ["the message became city", "days has its default"],
      });
    }
    const short = { ...accepts, properties: { city: { type: "string", maxLength: 3 } } };
    expect(coerceInput(short, { message: "Ghent" }, script)).toMatchObject({
      ...{ ok: false, problems: [{ path: "city", received: '"Ghent"' }] },
    });
  });

  it("is what a person writes, for an agent that reasons and is not strict", () => {
    const given = { message: "the record of last week, please" };
    expect(coerceInput(report, given, soft)).toEqual({ ok: true, ...given, changes: [] });
    for (const rules of [script, strict]) {
      expect(coerceInput(report, given, rules)).toMatchObject({ ok: false });
    }
  });

  it("is refused with the paths of what does not fit", () => {
    const input = { record_id: "a", format: "short", pages: 0, extra: true };
    const answer = coerceInput(report, { input }, soft);
    expect(answer).toEqual({
      ok: false,
      problems: expect.arrayContaining([
        { path: "", message: 'has "extra", which is not known here', received: expect.any(String) },
        { path: "format", message: 'must be one of "summary", "full"', received: '"short"' },
        { path: "pages", message: "must be >= 1", received: "0" },
      ]),
    });
    expect(coerceInput(report, { message: '{"record_id":"a"}' }, soft)).toMatchObject({
      ...{ ok: false, problems: [{ path: "", message: 'lacks "format"' }] },
    });
  });

  it("is a number or a text as the schema has it, when the message is one", () => {
    expect(coerceInput({ type: "integer" }, { message: "42" }, script)).toMatchObject({
      input: 42,
    });
    expect(coerceInput({ type: "string" }, { message: "42" }, script)).toMatchObject({
      input: "42",
    });
    const list = { type: "array", items: { type: "integer" } };
    expect(coerceInput(list, { message: "[1, 2]" }, script)).toMatchObject({ input: [1, 2] });
    expect(coerceInput(list, { message: "[1, 2.5]" }, script)).toMatchObject({ ok: false });
  });

  it("knows formats, and holds no endless text against them", () => {
    const accepts = { type: "string", format: "email" };
    expect(coerceInput(accepts, { input: "a@example.org" }, script)).toMatchObject({ ok: true });
    const long = `a@${"a.".repeat(100_000)}org`;
    expect(coerceInput(accepts, { input: long }, script)).toMatchObject({ ok: false });
  });
});

describe("a schema that would never end", () => {
  const late = {
    ok: false,
    problems: [{ path: "", message: expect.stringContaining("too long") }],
  };

  it("is cut off, in a pattern that backtracks", () => {
    const accepts = { type: "string", pattern: "^(a+)+$" };
    const message = `${"a".repeat(60)}b`;
    expect(coerceInput(accepts, { message }, script)).toEqual(late);
    expect(coerceInput(accepts, { message: "aaa" }, script)).toMatchObject({ ok: true });
  });

  it("is cut off, in references that double at each step", () => {
    const step = (at: number) => ({
      anyOf: [{ $ref: `#/$defs/s${at + 1}` }, { $ref: `#/$defs/s${at + 1}` }],
    });
    const $defs = {
      ...Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`s${at}`, step(at)])),
      s40: { type: "null" },
    };
    const answer = coerceInput({ $ref: "#/$defs/s0", $defs }, { input: { a: 1 } }, script);
    expect(answer).toMatchObject({ ok: false });
    expect(JSON.stringify(answer)).toContain("too long");
  });

  it("and no message that is nested without end", () => {
    const message = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(coerceInput({ type: "array" }, { message }, script)).toEqual({
      ...{ ok: false, problems: [{ path: "", message: "is nested too deeply" }] },
    });
    expect(coerceInput(report, { message: '{"format":"full","format":"x"}' }, soft)).toMatchObject({
      ...{ ok: false, problems: [{ message: 'has the key "format" twice' }] },
    });
  });

  it("does not leak from one input into the next, nor into Object.prototype", () => {
    const accepts = { type: "object", properties: { a: { default: { b: [] } } } };
    const first = coerceInput(accepts, { input: {} }, script);
    if (first.ok) (first.input as { a: { b: unknown[] } }).a.b.push(1);
    expect(coerceInput(accepts, { input: {} }, script)).toMatchObject({ input: { a: { b: [] } } });
    const hostile = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
    coerceInput(accepts, { input: hostile }, script);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe("coercion", () => {
  it("gives the same twice, and nothing more to change the second time", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        const first = coerceInput(report, { input: input as never }, strict);
        expect(coerceInput(report, { input: input as never }, strict)).toEqual(first);
        if (!first.ok || first.input === undefined) return;
        const second = coerceInput(report, { input: first.input }, strict);
        expect(second).toMatchObject({ ok: true, input: first.input, changes: [] });
      }),
      { numRuns: 200 },
    );
  });

  it("never fails on any text, and refuses or gives what the schema has", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (message) => {
        const answer = coerceInput(report, { message }, script);
        if (answer.ok) expect(Object.keys(answer.input as object)).toContain("record_id");
        else expect(answer.problems.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});
