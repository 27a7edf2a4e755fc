import type { Approval } from "../contract/approval.ts";
import type { ProxyErrorCode } from "../contract/proxy-call.ts";
import { redactSecrets, redactString } from "./redact.ts";

/**
 * Every error of the client. `code` is stable and meant for programs, `message` is a sentence for
 * people, `requestId` finds the request in the gateway's log. No error ever holds the token, and
 * what looks like a credential is cut out of message and details, whoever wrote it there.
 */
export interface ErrorParts {
  code: string;
  message: string;
  /** The HTTP status, when the gateway answered. */
  status?: number | undefined;
  requestId?: string | undefined;
  details?: Record<string, unknown> | undefined;
  cause?: unknown;
}

/** The root of all of them; thrown itself for what is wrong before any request is made. */
export class AirlockError extends Error {
  override name = "AirlockError";
  readonly code: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(parts: ErrorParts) {
    const cause = parts.cause === undefined ? undefined : { cause: parts.cause };
    super(redactString(parts.message), cause);
    this.code = parts.code;
    this.status = parts.status;
    this.requestId = parts.requestId;
    this.details = parts.details && redactSecrets(parts.details);
  }
}

/** The gateway answered, and the answer was no. */
export class ApiError extends AirlockError {
  override name = "ApiError";
  /** How long the gateway asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(parts: ErrorParts & { retryAfterMs?: number | undefined }) {
    super(parts);
    this.retryAfterMs = parts.retryAfterMs;
  }

  /** The answer in the shape that the API gives its errors, whatever shape it came in. */
  get body(): { error: { code: string; message: string; details?: Record<string, unknown> } } {
    const { code, message, details } = this;
    return { error: { code, message, ...(details === undefined ? {} : { details }) } };
  }
}

/** The token is unknown or revoked (401), or does not open this (403): then `requiredScope` says what would. */
export class AuthError extends ApiError {
  override name = "AuthError";
  /** The scope that is missing; several, joined by ` or `, when one of them would do. */
  readonly requiredScope: string | undefined;

  constructor(parts: ErrorParts & { requiredScope?: string | undefined }) {
    super(parts);
    this.requiredScope = parts.requiredScope;
  }
}

/** There is no such thing, or it belongs to somebody else: the two look the same. */
export class NotFoundError extends ApiError {
  override name = "NotFoundError";
}

/** The gateway has too much to do; `retryAfterMs` says when to come back, when it knows. */
export class RateLimitError extends ApiError {
  override name = "RateLimitError";
}

/** The idempotency key was already used for another submission. */
export class IdempotencyConflictError extends ApiError {
  override name = "IdempotencyConflictError";
  /** The run that was submitted with this key. */
  readonly existingRunId: string | undefined;

  constructor(parts: ErrorParts & { existingRunId: string | undefined }) {
    super(parts);
    this.existingRunId = parts.existingRunId;
  }
}

/** Somebody, or time, has answered the approval already. */
export class ApprovalAnsweredError extends ApiError {
  override name = "ApprovalAnsweredError";
  /** The approval with its first answer. */
  readonly approval: Approval | undefined;

  constructor(parts: ErrorParts & { approval: Approval | undefined }) {
    super(parts);
    this.approval = parts.approval;
  }
}

/**
 * A call of a proxy endpoint that reached no upstream, or brought no whole answer back. `code` is one of the protocol's;
 * let codes pass that you do not know.
 */
export class ProxyProblem extends ApiError {
  override name = "ProxyProblem";
  declare readonly code: ProxyErrorCode | (string & {});
  readonly endpointName: string | undefined;
  readonly upstreamStatus: number | undefined;

  constructor(
    parts: ErrorParts & {
      retryAfterMs?: number | undefined;
      endpointName?: string | undefined;
      upstreamStatus?: number | undefined;
    },
  ) {
    super(parts);
    this.endpointName = parts.endpointName;
    this.upstreamStatus = parts.upstreamStatus;
  }
}

/** No answer: the gateway could not be reached, went silent, or the connection broke. */
export class NetworkError extends AirlockError {
  override name = "NetworkError";
}

/** A deadline given to `wait` passed before the run ended. The run goes on. */
export class TimeoutError extends AirlockError {
  override name = "TimeoutError";
  readonly runId: string;
  /** The last status that was seen. */
  readonly lastStatus: string;

  constructor(runId: string, lastStatus: string, timeoutMs: number) {
    super({
      code: "wait_timeout",
      message: `Run ${runId} is still ${lastStatus} after ${timeoutMs} ms; it goes on`,
      details: { runId, lastStatus, timeoutMs },
    });
    this.runId = runId;
    this.lastStatus = lastStatus;
  }
}

/** There is no such thing, or it belongs to somebody else: the two look the same. */
export function isNotFound(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 404;
}

/** The token is unknown or revoked, or does not open this. */
export function isAuthError(error: unknown): error is AuthError {
  return error instanceof AuthError;
}

/** The token is unknown or revoked. */
export function isUnauthorized(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 401;
}

/** The token is good, but does not open this; `requiredScope` says what would. */
export function isInsufficientScope(error: unknown): error is AuthError {
  return error instanceof AuthError && error.code === "insufficient_scope";
}

/** The idempotency key belongs to another submission; `existingRunId` names its run. */
export function isIdempotencyConflict(error: unknown): error is IdempotencyConflictError {
  return error instanceof IdempotencyConflictError;
}

/** The approval has an answer; `approval` holds it. */
export function isApprovalAnswered(error: unknown): error is ApprovalAnsweredError {
  return error instanceof ApprovalAnsweredError;
}

/** A call of a proxy endpoint was refused or failed; `code` says how. */
export function isProxyProblem(error: unknown): error is ProxyProblem {
  return error instanceof ProxyProblem;
}

/**
 * The gateway has too much to do; `retryAfterMs` says when to come back. A budget of an endpoint that is used up has the same
 * status and is none of it: waiting does not help.
 */
export function isRateLimited(error: unknown): error is ApiError {
  if (!(error instanceof ApiError) || error.status !== 429) return false;
  return error.code !== "budget_exceeded";
}

/** No answer came. What was asked for may have happened; the client repeats only what may be repeated. */
export function isNetworkError(error: unknown): error is NetworkError {
  return error instanceof NetworkError;
}

/** The deadline of a `wait` passed; the run goes on. */
export function isTimeout(error: unknown): error is TimeoutError {
  return error instanceof TimeoutError;
}
