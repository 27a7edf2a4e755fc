import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import { fitTools } from "./mcp.ts";

const nameOf = (...names: string[]) =>
  Object.fromEntries(
    fitTools(
      "git",
      names.map((name) => ({ name })),
    ).tools.map(({ tool, name }) => [tool, name]),
  );

describe("the tools that a run keeps of a server", () => {
  it("have the names that the server gives them, as far as a model may write them", () => {
    expect(nameOf("get", "issues.create", "a-b", "größe")).toEqual({
      ...{ get: "mcp_git_get", "issues.create": "mcp_git_issues_create" },
      ...{ "a-b": "mcp_git_a-b", größe: "mcp_git_gr__e" },
    });
  });

  it("keep apart what would be spelt the same", () => {
    const names = nameOf("a.b", "a_b", "a b");
    expect(names.a_b).toBe("mcp_git_a_b");
    expect(names["a.b"]).toMatch(/^mcp_git_a_b_[0-9a-f]{8}$/);
    expect(new Set(Object.values(names)).size).toBe(3);
  });

  it("have names that are unique and that every provider takes, whatever they are called", () => {
    const name = fc.oneof(fc.string({ maxLength: 80 }), fc.constantFrom("a.b", "a_b", "a b", ""));
    fc.assert(
      fc.property(fc.array(name, { maxLength: 20 }), (names) => {
        const { tools, left_out = [] } = fitTools(
          "git",
          names.map((one) => ({ name: one })),
        );
        const given = tools.map((tool) => tool.name);
        expect(new Set(given).size).toBe(given.length);
        for (const one of given) expect(one).toMatch(/^mcp_git_[A-Za-z0-9_-]{1,56}$/);
        expect(tools.length + left_out.length).toBe(new Set(names).size);
      }),
    );
  });

  it("have schemas of an object, and words that are not too many", () => {
    const inputSchema = { $schema: "https://x", required: ["n"] };
    const { tools } = fitTools("git", [{ name: "a", description: "x".repeat(1e6), inputSchema }]);
    expect(tools[0]).toMatchObject({
      input_schema: { type: "object", properties: {}, required: ["n"] },
    });
    expect(tools[0]?.input_schema).not.toHaveProperty("$schema");
    expect(tools[0]?.description).toHaveLength(limits.mcpDescriptionChars);
  });

  it("have schemas that providers take: no alternatives at the top, names that a model may write", () => {
    const inputSchema = {
      ...{ type: "object", properties: { id: { type: "number" } }, required: ["id"], not: {} },
      anyOf: [
        { properties: { id: { type: "string" }, name: { type: "string" } }, required: ["name"] },
        { properties: { name: { type: "null" }, mail: {} } },
        "nonsense",
      ],
    };
    expect(fitTools("git", [{ name: "a", inputSchema }]).tools[0]?.input_schema).toEqual({
      ...{ type: "object", required: ["id"] },
      properties: { id: { type: "number" }, name: { type: "string" }, mail: {} },
    });
    const odd = { properties: { "größe $": {} } };
    expect(fitTools("git", [{ name: "a", inputSchema: odd }]).left_out).toEqual([
      { tool: "a", reason: 'no model may write the argument "größe $"' },
    ]);
  });

  it("leave out with a reason what does not fit", () => {
    const huge = { description: "x".repeat(limits.mcpSchemaBytes) };
    const { tools, left_out } = fitTools("git", [
      { name: "" },
      { name: "x".repeat(1000) },
      { name: "list", inputSchema: [] },
      { name: "text", inputSchema: { type: "string" } },
      { name: "huge", inputSchema: huge },
      { name: "good" },
    ]);
    expect(tools.map(({ tool }) => tool)).toEqual(["good"]);
    expect(left_out?.map(({ reason }) => reason)).toEqual([
      ...["its name cannot be used", "its name cannot be used", "its schema is no object"],
      ...["its arguments are no object", expect.stringMatching(/^its schema has \d+ bytes/)],
    ]);
  });

  it("are no more than a run keeps, in number and in bytes", () => {
    const many = Array.from({ length: 1000 }, (_, n) => ({ name: `t${n}` }));
    expect(fitTools("git", many).tools).toHaveLength(limits.mcpTools);
    const wide = many.map((one) => ({ ...one, description: "x".repeat(4000), inputSchema: {} }));
    const big = wide.map((one) => ({ ...one, inputSchema: { title: "y".repeat(10_000) } }));
    const bytes = Buffer.byteLength(JSON.stringify(fitTools("git", big).tools));
    expect(bytes).toBeLessThan(limits.mcpListBytes + 1024);
  });
});
