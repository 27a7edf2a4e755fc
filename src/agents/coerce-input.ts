import type { ErrorObject } from "ajv/dist/2020.js";
import type { FieldProblem } from "../contract/problem.ts";
import { quoted } from "./fault.ts";
import { compileSchema, type JsonSchema } from "./json-schema.ts";
import { type JsonText, readJsonText } from "./json-text.ts";
import type { Json } from "./read-yaml.ts";
import { valueAt } from "./schema-faults.ts";
import { pointerPath } from "./schema-text.ts";

export type CoercedInput =
  | {
      ok: true;
      /** What a model is told. */
      message: string;
      /** The input as the schema has it; absent: there is only the message. */
      input?: Json;
      /** What was changed to make it fit, in words without values. */
      changes: string[];
    }
  | { ok: false; problems: FieldProblem[] };

interface Given {
  message?: string | undefined;
  input?: Json | undefined;
}

interface Rules {
  mode: "reasoning" | "script";
  /** `soft` (the default): plain text is good enough for an agent that reasons. */
  validation?: "soft" | "strict" | undefined;
}

const problemsMax = 20;

/**
 * Makes what a caller gave into what an agent accepts (`io.accepts`), always in the same way: JSON in a message is read;
 * a plain text becomes the one required text of an object; defaults are filled in; texts, numbers and booleans are
 * turned into each other as the schema asks. What does not fit then is refused with its paths, except plain text for an
 * agent that reasons with `validation: soft`. Nothing of `given` is changed.
 */
export function coerceInput(
  accepts: JsonSchema | undefined,
  given: Given,
  rules: Rules,
): CoercedInput {
  const { message, input } = given;
  if (accepts === undefined || accepts === true) return asGiven(given);
  if (input !== undefined && typeof input !== "string") {
    const fitted = hold(accepts, input);
    return "problems" in fitted ? { ok: false, ...fitted } : taken(fitted, message);
  }
  return coerceText(accepts, message ?? input ?? "", rules);
}

function asGiven({ message, input }: Given): CoercedInput {
  const text = message ?? (input === undefined ? "" : textOf(input));
  return { ok: true, message: text, ...(input === undefined ? {} : { input }), changes: [] };
}

function coerceText(accepts: JsonSchema, text: string, rules: Rules): CoercedInput {
  const read = readJsonText(text);
  if (!read.ok && read.reason !== "syntax") return { ok: false, problems: [notRead(read)] };
  const parsed = read.ok ? (read.value as Json) : undefined;
  const isStructured = typeof parsed === "object" && parsed !== null;
  const asJson = () => (parsed === undefined ? undefined : hold(accepts, parsed));
  const asText = () => hold(accepts, text);
  // What looks like an object was meant as one; the number 7 may as well be the text "7".
  const first = isStructured ? asJson() : asText();
  if (first && !("problems" in first)) {
    const told = isStructured ? ["the message was read as JSON"] : [];
    return taken(
      { ...first, changes: [...told, ...first.changes] },
      isStructured ? undefined : text,
    );
  }
  const second = isStructured ? asText() : asJson();
  if (second && !("problems" in second)) return taken(second, text);
  const property = isStructured ? undefined : loneText(accepts);
  if (property !== undefined) {
    const wrapped = hold(accepts, { [property]: text });
    if (!("problems" in wrapped)) {
      const changes = [`the message became ${property}`, ...wrapped.changes];
      return taken({ ...wrapped, changes }, text);
    }
    if (rules.mode === "script" || rules.validation === "strict") return { ok: false, ...wrapped };
  }
  const isEnough = rules.mode === "reasoning" && rules.validation !== "strict" && !isStructured;
  if (isEnough) return { ok: true, message: text, changes: [] };
  const problems = first && "problems" in first ? first.problems : [];
  return { ok: false, problems };
}

function notRead(read: Exclude<JsonText, { ok: true }>): FieldProblem {
  const message =
    read.reason === "twice" ? `has the key ${quoted(read.key)} twice` : "is nested too deeply";
  return { path: "", message };
}

function taken(fitted: Fitted, message: string | undefined): CoercedInput {
  const { value, changes } = fitted;
  return { ok: true, message: message ?? textOf(value), input: value, changes };
}

interface Fitted {
  value: Json;
  changes: string[];
}

function hold(accepts: JsonSchema, given: Json): Fitted | { problems: FieldProblem[] } {
  const compiled = compileSchema(accepts);
  if (!compiled.ok) {
    const message = `io.accepts cannot be used: ${compiled.reason}`;
    return { problems: [{ path: "", message }] };
  }
  const checked = compiled.check(structuredClone(given));
  if (checked === undefined) {
    const message = "takes too long to hold against io.accepts";
    return { problems: [{ path: "", message }] };
  }
  const value = checked.value as Json;
  if (checked.errors.length > 0) return { problems: problemsOf(checked.errors, value) };
  const changes: string[] = [];
  noteChanges(given, value, "", changes);
  return { value, changes };
}

function problemsOf(errors: readonly ErrorObject[], value: Json): FieldProblem[] {
  return errors.slice(0, problemsMax).map((error) => {
    const path = pointerPath(error.instancePath, value);
    const received = valueAt(value, path);
    return {
      path: path.join("."),
      message: said(error),
      ...(received === undefined ? {} : { received: quoted(received) }),
    };
  });
}

function said({ keyword, params, message = "does not fit" }: ErrorObject): string {
  if (keyword === "enum") return `must be one of ${params.allowedValues.map(quoted).join(", ")}`;
  if (keyword === "const") return `must be ${quoted(params.allowedValue)}`;
  if (keyword === "additionalProperties") {
    return `has ${quoted(params.additionalProperty)}, which is not known here`;
  }
  if (keyword === "required") return `lacks ${quoted(params.missingProperty)}`;
  return message;
}

/** The one property that an object has to have, when it is a text. */
function loneText(accepts: JsonSchema): string | undefined {
  if (typeof accepts !== "object") return undefined;
  const { required, properties, type } = accepts;
  if (type !== undefined && ![type].flat().includes("object")) return undefined;
  if (!Array.isArray(required) || required.length !== 1) return undefined;
  const [name] = required;
  if (typeof properties !== "object" || properties === null || typeof name !== "string") {
    return undefined;
  }
  if (!Object.hasOwn(properties, name)) return undefined;
  const property: unknown = (properties as Record<string, unknown>)[name];
  if (typeof property !== "object" || property === null || !("type" in property)) return undefined;
  return [property.type].flat().includes("string") ? name : undefined;
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

const changesMax = 100;

function noteChanges(before: Json | undefined, after: Json, path: string, changes: string[]): void {
  if (changes.length >= changesMax || before === after) return;
  if (before === undefined) {
    changes.push(`${path} has its default`);
    return;
  }
  if (typeof after !== "object" || after === null) {
    changes.push(`${path || "the input"} was ${kindOf(before)} and is ${kindOf(after)}`);
    return;
  }
  for (const [key, member] of Object.entries(after)) {
    const had = Object.hasOwn(before as object, key);
    const earlier = had ? (before as Record<string, Json>)[key] : undefined;
    noteChanges(earlier, member as Json, path === "" ? key : `${path}.${key}`, changes);
  }
}

function kindOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
