import type { z } from "zod";
import { expectedKeys, nameKeys } from "../contract/known-keys.ts";
import { meantBranch } from "../contract/meant-branch.ts";
import { type FieldProblem, Problem } from "../contract/problem.ts";
import { submissionFaults } from "../contract/submission-faults.ts";

/** One answer names at most this many wrong fields; the rest is counted. */
const fieldsShownMax = 20;
const receivedCharsMax = 100;

type Path = readonly PropertyKey[];

/** The value that is checked, and whether all of it is a secret. */
interface Shown {
  root: unknown;
  hidden: boolean;
}

/**
 * Checks a value against a schema of the contract. Throws `invalid_request` whose message names the first wrong field
 * and whose `details.fields` name them all. What was found there is quoted when it is short and simple, and never when
 * it is below `secrets` or the `baseUrl` of an upstream, where people put credentials, or when all of it is `hidden`.
 */
export function checked<S extends z.ZodType>(
  schema: S,
  value: unknown,
  where: string,
  { hidden = false }: { hidden?: boolean } = {},
): z.output<S> {
  const result = schema.safeParse(value, { error: nameKeys });
  if (result.success) return result.data;
  const shown = { root: value, hidden };
  refuse(
    result.error.issues.flatMap((issue) => fieldsOf(issue, shown, [])),
    where,
  );
}

/** Refuses what a submission must not hold wherever it stands, with what to do instead. */
export function refuseFaults(value: unknown, where: string): void {
  const shown = { root: value, hidden: true };
  const fields = submissionFaults(value).map(({ path, message }) => field(path, message, shown));
  if (fields.length > 0) refuse(fields, where);
}

function refuse(all: readonly FieldProblem[], where: string): never {
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

function fieldsOf(issue: z.core.$ZodIssue, shown: Shown, parent: Path): FieldProblem[] {
  const path = [...parent, ...issue.path];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const meant = meantBranch(issue);
    if (meant) return meant.flatMap((inner) => fieldsOf(inner, shown, path));
    const types = issue.errors.flatMap((branch) =>
      branch.map((inner) => (inner.code === "invalid_type" ? inner.expected : "another value")),
    );
    return [field(path, `expected ${[...new Set(types)].join(" or ")}`, shown)];
  }
  if (issue.code === "invalid_key") {
    const message = `has a name that is not accepted: ${issue.issues[0]?.message}`;
    // Where names and values are mixed up, the name is the secret.
    const isTold = !isSecret(path, shown) || plainName.test(String(path.at(-1)));
    return [field(isTold ? path : path.slice(0, -1), message, shown)];
  }
  if (issue.code === "unrecognized_keys") {
    // A key beside a secret may be the secret itself, put in the wrong place.
    if (isSecret(path, shown)) return [field(path, "has a member that is not known here", shown)];
    return issue.keys.map((key) => {
      const name = JSON.stringify(key.slice(0, receivedCharsMax));
      const known = issue.message.startsWith(expectedKeys) ? `; ${issue.message}` : "";
      return field(path, `has the unknown member ${name}${known}`, shown);
    });
  }
  return [field(path, lowerFirst(issue.message), shown)];
}

/** What has no digit is the name of a header or a variable, and no token. */
const plainName = /^[A-Za-z][A-Za-z_-]{0,31}$/;

function field(path: Path, message: string, shown: Shown): FieldProblem {
  const received = isSecret(path, shown) ? undefined : shownValue(valueAt(shown.root, path));
  return { path: pathText(path), message, ...(received === undefined ? {} : { received }) };
}

function isSecret(path: Path, { hidden }: Shown): boolean {
  return hidden || path.some((part) => part === "secrets" || part === "baseUrl");
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
