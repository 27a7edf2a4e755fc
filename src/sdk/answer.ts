import type { Approval } from "../contract/approval.ts";
import { ErrorBody } from "../contract/problem.ts";
import {
  AirlockApiError,
  AirlockApprovalAnsweredError,
  AirlockIdempotencyConflictError,
  type ErrorParts,
} from "./errors.ts";

const shownChars = 200;

/**
 * The JSON object of a good answer, or nothing: something on the way may answer in HTML with a 200.
 */
export function parseAnswer(text: string): Record<string, unknown> | undefined {
  const value = parseJson(text);
  return isObject(value) ? value : undefined;
}

/** The error for an answer that is not a success, or not JSON. */
export function errorOf(response: Response, text: string): AirlockApiError {
  const body = ErrorBody.safeParse(parseJson(text));
  if (!body.success) return notJson(response, text);
  const { code, message, details } = body.data.error;
  const parts: ErrorParts = { code, message, details, ...facts(response) };
  if (code === "idempotency_conflict") {
    const existing = details?.existing_run_id ?? details?.existingRunId;
    const existingRunId = typeof existing === "string" ? existing : undefined;
    return new AirlockIdempotencyConflictError({ ...parts, existingRunId });
  }
  if (code === "approval_answered") {
    const { approval } = details ?? {};
    return new AirlockApprovalAnsweredError({
      ...parts,
      approval: isObject(approval) ? (approval as unknown as Approval) : undefined,
    });
  }
  return new AirlockApiError({ ...parts, retryAfterMs: retryAfterMs(response) });
}

/** `Retry-After` in milliseconds: given in seconds or as a date. */
export function retryAfterMs(response: Response): number | undefined {
  const value = response.headers.get("retry-after")?.trim();
  if (!value) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function notJson(response: Response, text: string): AirlockApiError {
  const shown = text.slice(0, shownChars);
  const what = shown === "" ? "an empty body" : `something else: ${JSON.stringify(shown)}`;
  return new AirlockApiError({
    code: "unexpected_answer",
    message: `Expected JSON from the gateway, and got status ${response.status} with ${what}`,
    ...facts(response),
    retryAfterMs: retryAfterMs(response),
  });
}

function facts(response: Response) {
  return { status: response.status, requestId: response.headers.get("x-request-id") ?? undefined };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
