import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coerceInput } from "./agents.ts";
import { schemaTextFaults } from "./schema-text.ts";

const words = [
  ...[
    "type",
    "properties",
    "items",
    "required",
    "enum",
    "const",
    "$ref",
    "$defs",
    "allOf",
    "anyOf",
  ],
  ...[
    "not",
    "if",
    "then",
    "pattern",
    "format",
    "minimum",
    "maxLength",
    "default",
    "$id",
    "$anchor",
  ],
  ...["prefixItems", "additionalProperties", "patternProperties", "unevaluatedProperties"],
  ...["$dynamicRef", "dependentSchemas", "contains", "propertyNames", "multipleOf"],
];
const atoms = fc.constantFrom(
  ...["object", "string", "array", "integer", "#", "#/$defs/a", "a", "(", "^a+$", "email", "date"],
  ...[true, false, null, 0, 1, -1, 0.5],
);
/** What may look like a schema, and often is none. */
const { schema } = fc.letrec((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    atoms,
    fc.array(tie("schema"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...words, "a"), tie("schema"), { maxKeys: 4 }),
  ),
}));

describe("a schema of a manifest", () => {
  it("is refused with what is wrong, or can be held against any input", () => {
    let held = 0;
    fc.assert(
      fc.property(schema, fc.jsonValue(), (text, input) => {
        if (typeof text !== "boolean" && (typeof text !== "object" || text === null)) return;
        if (Array.isArray(text)) return;
        const accepts = text as Record<string, unknown>;
        const faults = schemaTextFaults(accepts, ["io", "accepts"]);
        for (const { path, message, remedy } of faults) {
          expect(path.slice(0, 2)).toEqual(["io", "accepts"]);
          expect(message.length + remedy.length).toBeGreaterThan(20);
        }
        if (faults.length > 0) return;
        held += 1;
        const answer = coerceInput(accepts, { input: input as never }, { mode: "script" });
        if (!answer.ok) expect(answer.problems[0]?.message).not.toContain("cannot be used");
      }),
      { numRuns: 2_000 },
    );
    expect(held).toBeGreaterThan(50);
  });

  it("may be about things that hold things like themselves", () => {
    const leaf = { type: "object", properties: { name: { type: "string" } } };
    const accepts = { ...leaf, properties: { ...leaf.properties, child: { $ref: "#" } } };
    expect(schemaTextFaults(accepts, ["io", "accepts"])).toEqual([]);
    const input = { name: "a", child: { child: { name: 7 } } };
    expect(coerceInput(accepts, { input }, { mode: "script" })).toMatchObject({
      ...{ ok: true, input: { child: { child: { name: "7" } } } },
    });
    for (const endless of [{ $ref: "#" }, { allOf: [{ $ref: "#" }] }, { $dynamicRef: "#" }]) {
      const [fault] = schemaTextFaults(endless, ["io", "accepts"]);
      expect(fault?.message).toContain("refers to itself without end");
      const refused = coerceInput(endless, { input }, { mode: "script" });
      expect(refused).toMatchObject({ ok: false });
    }
  });

  it("may use everything that the draft has within itself", () => {
    const accepts = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      properties: {
        when: { type: "string", format: "date-time" },
        kind: { enum: ["a", "b"], description: "Which" },
        pair: {
          type: "array",
          prefixItems: [{ type: "string" }, { type: "number" }],
          items: false,
        },
        tree: { $ref: "#/$defs/node" },
      },
      patternProperties: { "^x-": true },
      unevaluatedProperties: false,
      if: { properties: { kind: { const: "a" } }, required: ["kind"] },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own keyword.
      then: { required: ["pair"] },
      $defs: { node: { type: "object", properties: { next: { $ref: "#/$defs/node" } } } },
      "x-note": "ours",
    };
    expect(schemaTextFaults(accepts, ["io", "accepts"])).toEqual([]);
    const input = { kind: "a", pair: ["x", 1], tree: { next: { next: {} } }, "x-y": 1 };
    expect(coerceInput(accepts, { input }, { mode: "script" })).toMatchObject({ ok: true });
    expect(coerceInput(accepts, { input: { kind: "a" } }, { mode: "script" })).toMatchObject({
      ...{
        ok: false,
        problems: expect.arrayContaining([
          { path: "", message: 'lacks "pair"', received: expect.any(String) },
        ]),
      },
    });
  });
});
