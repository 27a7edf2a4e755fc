import fc from "fast-check";
import type { Random } from "./fuzz-random.ts";

/** A JSON Schema as the document of the API has it. */
export interface Schema {
  $ref?: string;
  type?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
  items?: Schema;
  minItems?: number;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  contentEncoding?: string;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
}

const strings: readonly [string, ...string[]] = [
  "",
  " ",
  "a",
  "ok",
  "0",
  "-1",
  "null",
  "../../etc/passwd",
  "/",
  "a/b",
  "__proto__",
  "constructor",
  "\0",
  "\u202e\ufeffx",
  "🧊🧊",
  "\ud800",
  "' OR 1=1 --",
  "<script>alert(1)</script>",
  "%00%2e%2e%2f",
  "\r\nX-Evil: 1",
  "x".repeat(300),
  "é".repeat(5000),
];
const numbers = [0, -1, 1, 0.5, -0, 1e308, 2 ** 53, -(2 ** 53), 4_294_967_296, 1e-9] as const;

/** Any JSON at all, small. */
export function garbage(random: Random, depth = 0): unknown {
  const kind = random.int(depth > 3 ? 5 : 8);
  if (kind < 2) return random.pick(strings);
  if (kind === 2) return random.pick(numbers);
  if (kind === 3) return random.chance(0.5);
  if (kind === 4) return null;
  if (kind === 5) return deep(random.int(80));
  const size = random.int(4);
  if (kind === 6) return Array.from({ length: size }, () => garbage(random, depth + 1));
  return Object.fromEntries(
    Array.from({ length: size }, () => [random.pick(strings), garbage(random, depth + 1)]),
  );
}

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const matching = new Map<string, string[]>();

function matchingString(pattern: string, random: Random): string {
  let known = matching.get(pattern);
  if (!known) {
    known = fc.sample(fc.stringMatching(new RegExp(pattern)), { numRuns: 50, seed: 1 });
    matching.set(pattern, known);
  }
  return known[random.int(known.length)] ?? "";
}

/** Makes values that a schema allows. `refs` finds what a `$ref` names; `known` has better values for some of them. */
export function openValues(
  refs: Record<string, Schema>,
  known: Record<string, (random: Random) => unknown>,
) {
  function valid(schema: Schema, random: Random): unknown {
    if (schema.$ref) {
      const name = schema.$ref.split("/").at(-1) ?? "";
      return known[name]?.(random) ?? valid(refs[name] ?? {}, random);
    }
    const branches = schema.anyOf ?? schema.oneOf;
    if (branches) return valid(branches[random.int(branches.length)] ?? {}, random);
    if (schema.enum) return schema.enum[random.int(schema.enum.length)];
    if ("const" in schema) return schema.const;
    if (schema.type === "object") return validObject(schema, random);
    if (schema.type === "array") {
      const length = (schema.minItems ?? 0) + random.int(3);
      return Array.from({ length }, () => valid(schema.items ?? {}, random));
    }
    if (schema.type === "string") return validString(schema, random);
    if (schema.type === "boolean") return random.chance(0.5);
    if (schema.type === "null") return null;
    if (schema.type === "integer" || schema.type === "number") {
      const least = schema.minimum ?? (schema.exclusiveMinimum ?? -1) + 1;
      return Math.min(schema.maximum ?? 1000, least + random.int(1000));
    }
    return garbage(random, 3);
  }

  function validObject(schema: Schema, random: Random): unknown {
    const required = new Set(schema.required);
    const members = Object.entries(schema.properties ?? {})
      .filter(([name]) => required.has(name) || random.chance(0.3))
      .map(([name, of]) => [name, valid(of, random)]);
    if (schema.propertyNames && random.chance(0.5)) members.push(["some name", 1]);
    return Object.fromEntries(members);
  }

  return valid;
}

function validString(schema: Schema, random: Random): string {
  if (schema.pattern) return matchingString(schema.pattern, random);
  if (schema.contentEncoding === "base64") return random.pick(["", "YQ==", "AAEC/w=="]);
  const text = `text ${random.int(1000)}`;
  return text.slice(0, schema.maxLength).padEnd(schema.minLength ?? 0, "x");
}

/** The value with one thing wrong, somewhere in it. */
export function nearly(value: unknown, random: Random): unknown {
  if (typeof value !== "object" || value === null || random.chance(0.2)) return garbage(random);
  const names = Object.keys(value);
  if (Array.isArray(value)) {
    const copy: unknown[] = [...value];
    const at = random.int(Math.max(1, copy.length));
    if (copy.length > 0 && random.chance(0.5)) copy[at] = nearly(copy[at], random);
    else copy.push(garbage(random));
    return copy;
  }
  const name = names[random.int(names.length)];
  if (name === undefined || random.chance(0.2)) return { ...value, [random.pick(strings)]: 1 };
  const { [name]: member, ...others } = value as Record<string, unknown>;
  return random.chance(0.2) ? others : { ...others, [name]: nearly(member, random) };
}
