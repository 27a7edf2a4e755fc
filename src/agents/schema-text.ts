import { Ajv2020 } from "ajv/dist/2020.js";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import { didYouMean } from "./did-you-mean.ts";
import { dotted, type Fault, type Path, quoted } from "./fault.ts";
import { compileSchema, formatNames, type JsonSchema } from "./json-schema.ts";

const one = [
  ...["additionalProperties", "items", "contains", "not", "if", "then", "else", "propertyNames"],
  ...["unevaluatedItems", "unevaluatedProperties", "contentSchema"],
];
const several = ["allOf", "anyOf", "oneOf", "prefixItems"];
const named = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
const keywords = [
  ...[...one, ...several, ...named],
  ...["$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment"],
  ...["type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum"],
  ...["exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems"],
  ...["uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required"],
  ...["dependentRequired", "title", "description", "default", "deprecated", "readOnly"],
  ...["writeOnly", "examples", "format", "contentEncoding", "contentMediaType"],
];
const types = ["string", "number", "integer", "boolean", "object", "array", "null"];
const draft = "https://json-schema.org/draft/2020-12/schema";
const depthMax = 32;
const faultsMax = 20;

const metaSchema = new Ajv2020({ allErrors: true, strict: false, logger: false });

/** What is wrong with a JSON Schema of draft 2020-12 as the manifest has it at `path`. */
export function schemaTextFaults(schema: JsonSchema, path: Path): Fault[] {
  const bytes = Buffer.byteLength(canonicalJson(schema));
  if (bytes > limits.inputSchemaBytes) {
    const message = `The schema has ${bytes} bytes`;
    return [{ path, message, remedy: `Keep it below ${limits.inputSchemaBytes} bytes` }];
  }
  const faults: Fault[] = [];
  walk(schema, path, faults);
  if (faults.length > 0) return faults.slice(0, faultsMax);
  if (metaSchema.validateSchema(schema) !== true) return metaFaults(schema, path);
  const made = compileSchema(schema);
  if (made.ok) {
    const ends = [{}, [], ""].every((sample) => made.check(sample) !== undefined);
    if (ends) return [];
    const message = `${dotted(path)} refers to itself without end`;
    return [
      { path, message, remedy: "Let a $ref to what is around it stand below properties or items" },
    ];
  }
  const message = `${dotted(path)} cannot be used as a schema: ${made.reason}`;
  return [{ path, message, remedy: "Correct the schema, and what its $ref lead to" }];
}

function metaFaults(schema: JsonSchema, path: Path): Fault[] {
  const seen = new Set<string>();
  return (metaSchema.errors ?? []).flatMap(({ instancePath, message = "is wrong", keyword }) => {
    const own = pointerPath(instancePath, schema);
    if (seen.has(instancePath) || keyword === "if") return [];
    seen.add(instancePath);
    const where = [...path, ...own];
    const hint =
      own.at(-1) === "items"
        ? "Name the places of a tuple in prefixItems"
        : own.at(-1) === "required"
          ? "Write required beside properties, as a list of names"
          : `Correct it: it ${message}`;
    return [{ path: where, message: `${dotted(where)} ${message}`, remedy: hint }];
  });
}

/** The path that a JSON pointer into a value is. */
export function pointerPath(pointer: string, value: unknown): Path {
  let here = value;
  return pointer
    .split("/")
    .slice(1)
    .map((part) => {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      const key = Array.isArray(here) ? Number(name) : name;
      here = (here as Record<string | number, unknown> | null | undefined)?.[key];
      return key;
    });
}

function walk(schema: unknown, path: Path, faults: Fault[]): void {
  if (typeof schema === "boolean" || faults.length >= faultsMax) return;
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    // A list where a schema is wanted is told by the draft's own schema, with its hint.
    return;
  }
  if (path.length > depthMax + 2) {
    faults.push({ path, message: "The schema is nested too deeply", remedy: "Use $defs and $ref" });
    return;
  }
  for (const [key, value] of Object.entries(schema)) {
    const inner = [...path, key];
    const fault = wordFault(key, value, inner);
    if (fault) faults.push(fault);
    else if (one.includes(key)) walk(value, inner, faults);
    else if (several.includes(key) && Array.isArray(value)) {
      for (const [at, item] of value.entries()) walk(item, [...inner, at], faults);
    } else if (named.includes(key) && typeof value === "object" && value !== null) {
      for (const [name, item] of Object.entries(value)) {
        const bad = key === "patternProperties" ? patternFault(name, [...inner, name]) : undefined;
        if (bad) faults.push({ ...bad, about: "key" });
        walk(item, [...inner, name], faults);
      }
    }
  }
}

function wordFault(key: string, value: unknown, path: Path): Fault | undefined {
  if (!keywords.includes(key)) {
    if (key.startsWith("x-")) return undefined;
    const near = didYouMean(key, keywords);
    const message = `${quoted(key)} is no keyword of JSON Schema 2020-12`;
    const remedy = near ? `Did you mean ${near}?` : "Remove it, or begin it with x-";
    return { path, about: "key", message, remedy };
  }
  if (key === "type") {
    const wrong = [value].flat().find((type) => !types.includes(type as string));
    return wrong === undefined ? undefined : { path, ...notKnown("type", wrong, types) };
  }
  if (key === "format" && !formatNames.includes(value as string)) {
    return { path, ...notKnown("format", value, formatNames) };
  }
  if (key === "pattern") return patternFault(value, path);
  if (key === "$schema" && value !== draft && value !== `${draft}#`) {
    const message = `${quoted(value)} is another draft`;
    return { path, message, remedy: `Write ${draft}, or leave $schema out` };
  }
  const isRef = key === "$ref" || key === "$dynamicRef";
  if (isRef && typeof value === "string" && !value.startsWith("#")) {
    const message = `${quoted(value)} is not in this schema, and nothing is fetched`;
    return { path, message, remedy: "Copy it into $defs, and refer to it as #/$defs/<name>" };
  }
  return undefined;
}

function notKnown(what: string, value: unknown, known: readonly string[]) {
  const near = typeof value === "string" ? didYouMean(value, known) : undefined;
  const message = `${quoted(value)} is no ${what} of JSON Schema`;
  return { message, remedy: near ? `Did you mean ${near}?` : `Write one of ${known.join(", ")}` };
}

/** What is wrong with a regular expression, as `pattern` and `prohibited_text_patterns` have them. */
export function patternFault(pattern: unknown, path: Path): Fault | undefined {
  if (typeof pattern !== "string") return undefined;
  try {
    new RegExp(pattern, "u");
    return undefined;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const why = cause.message.replace(/^Invalid regular expression: /, "");
    const message = `${quoted(pattern)} is no regular expression: ${why.slice(0, 120)}`;
    return { path, message, remedy: "Correct it; a character that means itself is escaped by \\" };
  }
}
