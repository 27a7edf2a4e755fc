import type { Approval } from "../contract/approval.ts";
import {
  ApiError,
  ApprovalAnsweredError,
  AuthError,
  type ErrorParts,
  IdempotencyConflictError,
  NotFoundError,
  ProxyProblem,
  RateLimitError,
} from "./errors.ts";

const shownChars = 200;

/**
 * The JSON object of a good answer, or nothing: something on the way may answer in HTML with a 200.
 */
export function parseAnswer(text: string): Record<string, unknown> | undefined {
  const value = parseJson(text);
  return isObject(value) ? value : undefined;
}

/**
 * The error for an answer that is not a success, or not JSON. `path` is what was asked for: proxy endpoints answer in a flat
 * form of their own.
 */
export function errorOf(response: Response, text: string, path: string): ApiError {
  const value = parseJson(text);
  if (!isObject(value)) return notJson(response, text);
  if (/^\/api\/runs\/[^/]+\/proxy\//.test(path)) {
    const problem = proxyProblem(response, value);
    if (problem) return problem;
  }
  const told = toldIn(value);
  if (told === undefined) return notJson(response, text);
  const { message, details } = told;
  const code = told.code ?? codeOfStatus(response.status);
  const parts = { code, message, details, ...facts(response) };
  const waitMs = retryAfterMs(response);
  return typed(parts, waitMs);
}

function typed(parts: ErrorParts & { status: number }, waitMs: number | undefined): ApiError {
  const { code, details, status } = parts;
  const withWait = { ...parts, retryAfterMs: waitMs };
  if (code === "idempotency_conflict") {
    const existing = details?.existingRunId ?? details?.existing_run_id;
    const existingRunId = typeof existing === "string" ? existing : undefined;
    return new IdempotencyConflictError({ ...parts, existingRunId });
  }
  if (code === "approval_answered") {
    const { approval } = details ?? {};
    return new ApprovalAnsweredError({
      ...parts,
      approval: isObject(approval) ? (approval as unknown as Approval) : undefined,
    });
  }
  if (status === 401 || (status === 403 && code === "insufficient_scope")) {
    return new AuthError({ ...parts, requiredScope: scopeIn(details) });
  }
  if (status === 404) return new NotFoundError(withWait);
  if (status === 429) return new RateLimitError(withWait);
  return new ApiError(withWait);
}

function scopeIn(details: Record<string, unknown> | undefined): string | undefined {
  const { requiredScope: one, requiredScopes: several } = details ?? {};
  if (typeof one === "string") return one;
  return Array.isArray(several) ? several.join(" or ") : undefined;
}

interface Told {
  code: string | undefined;
  message: string;
  details: Record<string, unknown> | undefined;
}

/**
 * What an error body says, in each of the three shapes that gateways and what stands before them use: `{error: {code, message,
 * details}}`, `{error: "…"}` and `{ok: false, code, message}`. What else is in the flat ones are its details.
 */
function toldIn(value: Record<string, unknown>): Told | undefined {
  const { error, ok: _, code, message, details, ...rest } = value;
  if (isObject(error)) {
    const inner = error.details;
    return toldOf(error.code, error.message, isObject(inner) ? inner : {});
  }
  const more = { ...rest, ...(isObject(details) ? details : {}) };
  if (typeof error === "string" && error !== "") {
    const named = /^[a-z][a-z0-9_]*$/.test(error) ? error : undefined;
    return toldOf(code ?? named, message ?? error, more);
  }
  return toldOf(code, message, more);
}

function toldOf(
  code: unknown,
  message: unknown,
  details: Record<string, unknown>,
): Told | undefined {
  const named = typeof code === "string" && code !== "" ? code : undefined;
  const said = typeof message === "string" && message !== "" ? message : named;
  if (said === undefined) return undefined;
  return {
    code: named,
    message: said,
    details: Object.keys(details).length === 0 ? undefined : details,
  };
}

/** For an answer that names no code. */
function codeOfStatus(status: number): string {
  const codes: Record<number, string> = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    410: "gone",
    413: "payload_too_large",
    429: "too_many_requests",
  };
  return codes[status] ?? (status >= 500 ? "internal" : "unexpected_answer");
}

/** Proxy endpoints answer in a flat form of their own. A code may be one that came after this client. */
function proxyProblem(
  response: Response,
  value: Record<string, unknown>,
): ProxyProblem | undefined {
  const { error: code, message, ...details } = value;
  if (typeof code !== "string" || typeof message !== "string") return undefined;
  const { endpointName: name, upstreamStatus: status } = details;
  const endpointName = typeof name === "string" ? name : undefined;
  const upstreamStatus = typeof status === "number" ? status : undefined;
  const told = { code, message, details, endpointName, upstreamStatus };
  return new ProxyProblem({ ...told, ...facts(response), retryAfterMs: retryAfterMs(response) });
}

/** `Retry-After` in milliseconds: given in seconds or as a date. */
export function retryAfterMs(response: Response): number | undefined {
  const value = response.headers.get("retry-after")?.trim();
  if (!value) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function notJson(response: Response, text: string): ApiError {
  const shown = text.slice(0, shownChars);
  const what = shown === "" ? "an empty body" : `something else: ${JSON.stringify(shown)}`;
  return new ApiError({
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
