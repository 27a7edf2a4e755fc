import { z } from "zod";
import { didYouMean } from "./did-you-mean.ts";
import { dotted, type Fault, type Path, quoted } from "./fault.ts";
import { homeOf, knownKeys, schemaAt, tagsOf } from "./known-keys.ts";

type Issue = z.core.$ZodIssue;

interface Found extends Fault {
  isMissing?: boolean;
  /** The key that was meant. */
  meant?: string | undefined;
}

/** What a schema has against a value, each with what would put it right. */
export function schemaFaults(schema: z.ZodType, value: unknown, error: z.ZodError): Fault[] {
  const faults = error.issues.flatMap((issue) => faultsOf(schema, value, issue));
  // A key that is misspelt is one mistake, not two.
  const meant = faults.flatMap(({ path, meant }) =>
    meant ? [dotted([...path.slice(0, -1), meant])] : [],
  );
  return faults
    .filter(({ path, isMissing }) => !(isMissing && meant.includes(dotted(path))))
    .map(({ isMissing: _, meant: __, ...fault }) => fault);
}

function faultsOf(schema: z.ZodType, whole: unknown, issue: Issue): Found[] {
  const path = issue.path as Path;
  const found = valueAt(whole, path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(schema, whole, path, key));
  }
  if (found === undefined) return [missing(schema, whole, path)];
  if (issue.code === "invalid_union") return [wrongUnion(schema, whole, issue, found)];
  const name = dotted(path);
  if (issue.code === "invalid_type") {
    return [{ path, ...wrongType(name, issue.expected, found) }];
  }
  if (issue.code === "invalid_value") {
    return [{ path, ...notOneOf(name, found, issue.values.map(String)) }];
  }
  if (issue.code === "too_small" || issue.code === "too_big") {
    return [{ path, ...wrongSize(name, issue, found) }];
  }
  if (issue.code === "invalid_key") {
    const said = issue.issues[0]?.message ?? "another name";
    return [{ path, about: "key", message: `${name} has a wrong name`, remedy: sentence(said) }];
  }
  if (/ twice$/.test(issue.message)) {
    const remedy = "Keep one of them, or give it a name of its own";
    return [{ path, message: `${name}: ${issue.message}`, remedy }];
  }
  // Messages of our own say what was expected, some of them behind the value.
  const [before, after] = issue.message.split(/: (?=expected )/);
  const message =
    after === undefined ? `${name} cannot be ${quoted(found)}` : `${name}: ${before ?? ""}`;
  return [{ path, message, remedy: sentence(after ?? issue.message) }];
}

function unknownKey(schema: z.ZodType, whole: unknown, path: Path, key: string): Found {
  const known = knownKeys(schema, whole, path);
  const where = path.length === 0 ? "the manifest" : dotted(path);
  const near = didYouMean(key, known);
  const home = near === undefined ? homeOf(schema, key) : undefined;
  const remedy =
    near !== undefined
      ? `Did you mean ${near}?`
      : home !== undefined
        ? `It belongs in ${home}`
        : `Remove it; known here: ${known.join(", ")}`;
  const message = `${quoted(key)} is no key of ${where}`;
  return { path: [...path, key], about: "key", message, remedy, meant: near };
}

/** What to write for keys that have to be there. */
const examples: Record<string, string> = {
  agent: "agent: {id: my-agent}",
  id: "id: my-agent",
  capabilities: "capabilities: [] (or what it may do, as in {type: ReadAccess, scopes: [self.*]})",
  type: "type: and one of",
  scopes: "scopes: [self.*]",
  patterns: 'patterns: ["python3 "]',
  hosts: "hosts: [example.org]",
  allowed: "allowed: [knowledge.]",
  max_children: "max_children: 4",
  provider: "provider: anthropic",
  model: "model: and the model's name",
  role: "role: evaluator, or role: auditor",
  min_interval_secs: "min_interval_secs: 300",
  allow_reasoning: "allow_reasoning: false",
  name: "name: and a word for it",
  url: "url: https://example.org/mcp",
};

function missing(schema: z.ZodType, whole: unknown, path: Path): Found {
  const key = String(path.at(-1) ?? "");
  const around = path.slice(0, -1);
  const union = tagsOf(schemaOfItem(schema, whole, around) ?? z.never());
  const example = examples[key] ?? `${key}:`;
  const remedy = `Add ${example}${key === "type" ? ` ${union.join(", ")}` : ""}`;
  const parent = around.length === 0 ? "The manifest" : dotted(around);
  return { path, message: `${parent} lacks ${quoted(key)}`, remedy, isMissing: true };
}

/** The schema of a list's items, where the path is one of them: not narrowed to what the item says it is. */
function schemaOfItem(schema: z.ZodType, whole: unknown, path: Path): z.ZodType | undefined {
  const list = schemaAt(schema, whole, path.slice(0, -1));
  return list instanceof z.ZodArray ? (list.element as z.ZodType) : undefined;
}

function wrongUnion(
  schema: z.ZodType,
  whole: unknown,
  issue: Issue & { code: "invalid_union" },
  found: unknown,
): Fault {
  const path = issue.path as Path;
  const tag = issue.discriminator;
  if (tag === undefined) {
    const message = `${dotted(path)} cannot be ${quoted(found)}`;
    return { path, message, remedy: "Write a JSON Schema: a mapping, or true" };
  }
  const item = path.at(-1) === tag ? path.slice(0, -1) : path;
  const tags = tagsOf(schemaOfItem(schema, whole, item) ?? z.never());
  return { path, ...notOneOf(dotted(path), found, tags) };
}

type Said = Pick<Fault, "message" | "remedy">;

function notOneOf(name: string, found: unknown, known: readonly string[]): Said {
  const near = typeof found === "string" ? didYouMean(found, known) : undefined;
  return {
    message: `${name} cannot be ${quoted(found)}`,
    remedy: near ? `Did you mean ${near}?` : `Write one of ${known.join(", ")}`,
  };
}

const nouns: Record<string, string> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

function wrongType(name: string, expected: string, found: unknown): Said {
  const noun = nouns[expected] ?? expected;
  const message = `${name} has to be ${noun}, not ${describe(found)}`;
  if (found === null) return { message, remedy: `Write ${noun} behind it, or remove the key` };
  if (expected === "string" && typeof found === "number") {
    // As it was written is not known any more: 1.0 is 1.
    return { message, remedy: "Put it in quotes, as it stands" };
  }
  if (expected === "string" && typeof found !== "object") {
    return { message, remedy: `Put it in quotes: "${String(found)}"` };
  }
  if (expected === "array") {
    const one = typeof found === "object" ? "- and the mapping below it" : `[${quoted(found)}]`;
    return { message, remedy: `Write a list: ${one}` };
  }
  if (expected === "object" && name.startsWith("capabilities.") && typeof found === "string") {
    return { message, remedy: `Write a mapping with its type: {type: ${found.slice(0, 40)}, …}` };
  }
  const isNumber = expected === "number" || expected === "int";
  if (isNumber && typeof found === "string" && /^-?\d+(\.\d+)?$/.test(found)) {
    return { message, remedy: `Write it without quotes: ${found}` };
  }
  if (expected === "boolean" && typeof found === "string") {
    return { message, remedy: "Write true or false, without quotes" };
  }
  return { message, remedy: `Write ${noun}` };
}

function describe(found: unknown): string {
  if (found === null) return "nothing";
  if (Array.isArray(found)) return "a list";
  if (typeof found === "object") return "a mapping";
  return `the ${typeof found === "string" ? "text" : typeof found} ${quoted(found)}`;
}

const units: Record<string, [one: string, many: string]> = {
  string: [" character", " characters"],
  array: [" entry", " entries"],
};

function wrongSize(
  name: string,
  issue: Issue & { code: "too_small" | "too_big" },
  found: unknown,
): Said {
  const [one, many] = units[issue.origin] ?? ["", ""];
  const isLow = issue.code === "too_small";
  const bound = Number(isLow ? issue.minimum : issue.maximum);
  const least = issue.inclusive === false ? "more than" : "at least";
  const limit = `${isLow ? least : "at most"} ${bound}${bound === 1 ? one : many}`;
  if (many === "") {
    return { message: `${name} cannot be ${quoted(found)}`, remedy: `Write ${limit}` };
  }
  const size = typeof found === "string" || Array.isArray(found) ? found.length : 0;
  return { message: `${name} cannot have ${size}${many}`, remedy: `Give it ${limit}` };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function valueAt(value: unknown, path: Path): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Record<string | number, unknown>)[key];
  }
  return here;
}
