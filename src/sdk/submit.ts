import { RunSubmission } from "../contract/submission.ts";
import { AirlockError } from "./errors.ts";
import { type InputSource, prepareFiles } from "./input-files.ts";
import type { ApiRequest } from "./transport.ts";

/** Says what is wrong with a value before it is sent. */
interface Schema {
  safeParse(
    value: unknown,
  ):
    | { success: true }
    | { success: false; error: { issues: { path: readonly PropertyKey[]; message: string }[] } };
}

/** What a run is asked to do. Everything but `files` and `signal` is sent as it is. */
export interface SubmitOptions extends Omit<RunSubmission, "files"> {
  files?: InputSource[];
  /** Aborts the submission, not the run. */
  signal?: AbortSignal;
}

/**
 * Checks a submission against the contract before anything is sent, and makes the request of it. A
 * random idempotency key is used when none is given, so that a repeated request after a broken
 * connection can never start a second run.
 */
export async function submitRequest(options: SubmitOptions): Promise<ApiRequest> {
  if (typeof options !== "object" || options === null) {
    throw new AirlockError({ code: "invalid_request", message: "Options must be an object" });
  }
  const { signal, ...rest } = options;
  const idempotencyKey = rest.idempotencyKey ?? crypto.randomUUID();
  const keyed = { ...rest, idempotencyKey };
  const request = await requestWithFiles("/api/runs", keyed, RunSubmission);
  return { ...request, repeatable: true, signal };
}

/**
 * Checks a submission against its schema and makes the request of it: JSON, or a form when files
 * travel as parts.
 */
export async function requestWithFiles(
  path: string,
  options: { files?: InputSource[] },
  schema: Schema,
): Promise<ApiRequest> {
  const { files, ...rest } = options;
  const prepared = files === undefined ? undefined : await prepareFiles(files);
  const submission = { ...rest, ...(prepared ? { files: prepared.files } : {}) };
  checkRequest(schema, submission);
  const request = { method: "POST", path } as const;
  if (!prepared || prepared.parts.size === 0) return { ...request, json: submission };
  const form = new FormData();
  form.append("submission", JSON.stringify(submission));
  for (const [slot, blob] of prepared.parts) form.append(`file:${slot}`, blob, slot);
  return { ...request, form, patient: true };
}

/** Throws `invalid_request` that names every wrong field; nothing was sent then. */
export function checkRequest(schema: Schema, submission: unknown): void {
  const parsed = schema.safeParse(submission);
  if (parsed.success) return;
  const fields = parsed.error.issues.map((issue) => ({
    path: pathOf(issue.path),
    message: issue.message,
  }));
  throw new AirlockError({
    code: "invalid_request",
    message: fields.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join("; "),
    details: { fields },
  });
}

/** `files[2].path`, as one would write it in the program. */
function pathOf(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? String(part) : `.${String(part)}`;
  }
  return text;
}
