import { createHash } from "node:crypto";
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import { withinTime } from "./within-time.ts";

export type JsonSchema = boolean | Record<string, unknown>;

/** A text longer than this fits no format: their expressions were made for addresses and dates. */
const formatCharsMax = 4096;

/** An Ajv with draft 2020-12 and its formats. Each schema has its own: one cannot refer to another. */
export function openAjv(): Ajv2020 {
  const ajv = new Ajv2020({
    ...{ strict: false, allErrors: true, validateSchema: false },
    // Defaults and coercion change what is given; members of Object.prototype are nobody's input.
    ...{ useDefaults: true, coerceTypes: true, ownProperties: true, logger: false },
  });
  formats.default(ajv);
  for (const [name, format] of Object.entries(ajv.formats)) {
    if (typeof format !== "object" || format instanceof RegExp) {
      const test = format instanceof RegExp ? (text: string) => format.test(text) : format;
      if (typeof test !== "function") continue;
      ajv.addFormat(name, (text: string) => text.length <= formatCharsMax && test(text));
    }
  }
  return ajv;
}

/** The formats that a schema may name. */
export const formatNames: readonly string[] = Object.keys(openAjv().formats).sort();

export type Compiled = { ok: true; check: Check } | { ok: false; reason: string };
/** Holds a value against a schema, and changes it by defaults and coercion. undefined: it would not come to an end. */
export type Check = (value: unknown) => { value: unknown; errors: ErrorObject[] } | undefined;

/** Not kept: a machine under load may be faster next time. */
const tooSlow: Compiled = { ok: false, reason: "it takes too long to read" };

const compiled = new Map<string, Compiled>();

/** The validator of a schema; made once, kept while it is used. */
export function compileSchema(schema: JsonSchema): Compiled {
  const key = createHash("sha256").update(canonicalJson(schema)).digest("hex");
  const known = compiled.get(key);
  compiled.delete(key);
  const made = known ?? compile(schema);
  if (made === tooSlow) return made;
  compiled.set(key, made);
  for (const oldest of compiled.keys()) {
    if (compiled.size <= limits.inputValidators) break;
    compiled.delete(oldest);
  }
  return made;
}

function compile(schema: JsonSchema): Compiled {
  let made: { value: ValidateFunction } | undefined;
  try {
    made = withinTime(limits.inputSchemaCompileMs, () => openAjv().compile(schema));
  } catch (cause) {
    if (cause instanceof RangeError)
      return { ok: false, reason: "it refers to itself without end" };
    return { ok: false, reason: cause instanceof Error ? cause.message : String(cause) };
  }
  if (made === undefined) return tooSlow;
  const validate = made.value;
  // It would answer with a promise: whatever it is given would pass, and its rejection would be nobody's.
  if ("$async" in validate) return { ok: false, reason: "$async is no keyword of it" };
  return {
    ok: true,
    check: (value) => {
      try {
        return withinTime(limits.inputCheckMs, () => held(validate, value))?.value;
      } catch (cause) {
        // A schema that is itself, as {$ref: "#"}, has no end either.
        if (cause instanceof RangeError) return undefined;
        throw cause;
      }
    },
  };
}

function held(validate: ValidateFunction, value: unknown): ReturnType<Check> {
  // In a box, because what is no object can be coerced only where it is a member of something.
  const box = { value };
  const around = { parentData: box, parentDataProperty: "value", rootData: box };
  const ok = validate(value, { ...around, instancePath: "", dynamicAnchors: {} }) === true;
  return { value: box.value, errors: ok ? [] : [...(validate.errors ?? [])] };
}
