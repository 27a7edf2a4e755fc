import type { z } from "zod";
import { type FieldProblem, Problem } from "../contract/problem.ts";

/** One answer names at most this many wrong fields; the rest is counted. */
const fieldsShownMax = 20;
const receivedCharsMax = 100;

type Path = readonly PropertyKey[];

/**
 * Checks a value against a schema of the contract. Throws `invalid_request` whose message names the first wrong field
 * and whose `details.fields` name them all. What was found there is quoted when it is short and simple, and never when
 * it is below `secrets`.
 */
export function checked<S extends z.ZodType>(
  schema: S,
  value: unknown,
  where: string,
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const all = result.error.issues.flatMap((issue) => fieldsOf(issue, value, []));
  const fields = all.slice(0, fieldsShownMax);
  const first = fields[0];
  const name = first?.path === "" ? `the ${where}` : first?.path;
  const found = first?.received === undefined ? "" : ` ${first.received}`;
  const more = all.length > 1 ? ` (and ${all.length - 1} more)` : "";
  throw new Problem("invalid_request", `Cannot use ${name}${found}: ${first?.message}${more}`, {
    fields,
  });
}

/** An error about one field that no schema can see alone. */
export function fieldProblem(path: string, message: string): Problem {
  const fields: FieldProblem[] = [{ path, message }];
  return new Problem("invalid_request", `Cannot use ${path}: ${message}`, { fields });
}

function fieldsOf(issue: z.core.$ZodIssue, root: unknown, parent: Path): FieldProblem[] {
  const path = [...parent, ...issue.path];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The branch that got past the value's own type is the one that the caller meant.
    const meant = issue.errors.find((branch) => !branch.some((inner) => isWrongType(inner)));
    if (meant) return meant.flatMap((inner) => fieldsOf(inner, root, path));
    const types = issue.errors.flatMap((branch) =>
      branch.map((inner) => (inner.code === "invalid_type" ? inner.expected : "another value")),
    );
    return [field(path, `expected ${[...new Set(types)].join(" or ")}`, root)];
  }
  if (issue.code === "invalid_key") {
    return [field(path, `has a name that is not accepted: ${issue.issues[0]?.message}`, root)];
  }
  if (issue.code === "unrecognized_keys") {
    // A key below `secrets` may be the secret itself, put in the wrong place.
    if (isSecret(path)) return [field(path, "has a member that is not known here", root)];
    return issue.keys.map((key) => {
      const shown = JSON.stringify(key.slice(0, receivedCharsMax));
      return field(path, `has the unknown member ${shown}`, root);
    });
  }
  return [field(path, lowerFirst(issue.message), root)];
}

function isWrongType(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" && issue.path.length === 0;
}

function field(path: Path, message: string, root: unknown): FieldProblem {
  const received = isSecret(path) ? undefined : shownValue(valueAt(root, path));
  return { path: pathText(path), message, ...(received === undefined ? {} : { received }) };
}

function isSecret(path: Path): boolean {
  return path.some((part) => part === "secrets");
}

/** `files[0].path`: the spelling that a reader of JavaScript or Python expects. */
function pathText(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${String(part).slice(0, receivedCharsMax)}`;
  }
  return text;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) {
      return undefined;
    }
    value = Reflect.get(value, part);
  }
  return value;
}

function shownValue(value: unknown): string | undefined {
  if (value === undefined || (typeof value === "object" && value !== null)) return undefined;
  const text = JSON.stringify(value);
  return text.length <= receivedCharsMax ? text : `${text.slice(0, receivedCharsMax - 1)}…`;
}

function lowerFirst(message: string): string {
  return message.slice(0, 1).toLowerCase() + message.slice(1);
}
