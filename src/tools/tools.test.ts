import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findTool, inputSchema, parseArguments, type Tool, toolsFor } from "./tools.ts";

const all: Tool[] = ["content_write", "content_read", "sandbox_exec"].flatMap(
  (name) => findTool(name) ?? [],
);
const tool = (name: string): Tool => {
  const found = findTool(name);
  if (!found) throw new Error(`There is no ${name}`);
  return found;
};

describe("parseArguments()", () => {
  it("takes anything at all, and answers with arguments or with a result that the model can act on", () => {
    const given = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }),
      fc.record(
        { name: fc.string(), content: fc.string(), command: fc.string() },
        { requiredKeys: [] },
      ),
      fc.record({ name_or_handle: fc.string(), offset: fc.double(), limit: fc.integer() }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...all), given, (one, value) => {
        const parsed = parseArguments(one, value);
        if (parsed.ok) return;
        expect(parsed.result).toMatchObject({
          ok: false,
          error_type: "validation",
          message: expect.stringContaining(one.name),
          repair_hint: expect.any(String),
        });
        expect((parsed.result.fields as unknown[]).length).toBeGreaterThan(0);
      }),
    );
  });

  it("names the first wrong field and what was wanted there", () => {
    const wrong: [string, unknown, RegExp][] = [
      ["content_write", { name: "a", content: 7 }, /content: .*string/i],
      ["content_write", { name: "a" }, /content:/],
      ["content_write", { name: "a", content: "\ud800" }, /content: .*surrogate/],
      ["content_write", { name: "a", content: "x", mode: 1 }, /mode/],
      ["content_write", { name: "a", content: "x", visibility: "all" }, /visibility: .*private/],
      ["sandbox_exec", { command: "  " }, /command: .*blank/],
      ["sandbox_exec", { command: "a\0b" }, /command: .*NUL/],
      ["sandbox_exec", { command: "x".repeat(200_000) }, /command: .*content_write/],
      ["content_read", { name_or_handle: "a", offset: -1 }, /offset/],
      ["content_read", '{"name_or_handle": "a', /not a JSON object/],
      ["content_read", null, /content_read/],
    ];
    for (const [name, given, message] of wrong) {
      const parsed = parseArguments(tool(name), given);
      expect(parsed.ok, JSON.stringify(given).slice(0, 80)).toBe(false);
      if (!parsed.ok) expect(parsed.result.message).toMatch(message);
    }
  });

  it("takes what the schema shows", () => {
    expect(parseArguments(tool("content_write"), { name: "a/b.txt", content: "" })).toMatchObject({
      ok: true,
    });
    const read = { name_or_handle: "cnt_01234567", offset: 0, limit: 4 };
    expect(parseArguments(tool("content_read"), read)).toEqual({ ok: true, args: read });
  });
});

describe("the toolbox", () => {
  it("finds a tool by its name and by the older dotted spelling", () => {
    expect(findTool("sandbox.exec")).toBe(tool("sandbox_exec"));
    expect(findTool("sandbox_exec2")).toBeUndefined();
    expect(findTool("constructor")).toBeUndefined();
  });

  it("shows an agent only what its capabilities open", () => {
    const names = (capabilities: Parameters<typeof toolsFor>[0]) =>
      toolsFor(capabilities, false).map(({ name }) => name);
    expect(names([])).toEqual([]);
    expect(names([{ type: "ReadAccess", scopes: ["self.*"] }])).toEqual([
      ...["content_read", "artifact_inspect", "artifact_resolve_ref"],
    ]);
    expect(names([{ type: "CodeExecution", patterns: ["*"] }]).sort()).toEqual([
      ...["artifact_exec", "sandbox_exec"],
    ]);
  });

  it("describes arguments as a closed JSON Schema with a sentence for each that needs one", () => {
    for (const one of all) {
      const schema = inputSchema(one);
      expect(schema).toMatchObject({ type: "object", additionalProperties: false });
      expect(schema).not.toHaveProperty("$schema");
      const properties = Object.values(
        schema.properties as Record<string, { description?: string }>,
      );
      for (const { description } of properties) expect(description).toEqual(expect.any(String));
    }
  });
});
