import type { Approval } from "../contract/approval.ts";

/**
 * Every error of the client. `code` is stable and meant for programs, `message` is a sentence for
 * people, `requestId` finds the request in the gateway's log. No error ever holds the token.
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
    super(parts.message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.code = parts.code;
    this.status = parts.status;
    this.requestId = parts.requestId;
    this.details = parts.details;
  }
}

/** The gateway answered, and the answer was no. */
export class AirlockApiError extends AirlockError {
  override name = "AirlockApiError";
  /** How long the gateway asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(parts: ErrorParts & { retryAfterMs?: number | undefined }) {
    super(parts);
    this.retryAfterMs = parts.retryAfterMs;
  }
}

/** The idempotency key was already used for another submission. */
export class AirlockIdempotencyConflictError extends AirlockApiError {
  override name = "AirlockIdempotencyConflictError";
  /** The run that was submitted with this key. */
  readonly existingRunId: string | undefined;

  constructor(parts: ErrorParts & { existingRunId: string | undefined }) {
    super(parts);
    this.existingRunId = parts.existingRunId;
  }
}

/** Somebody, or time, has answered the approval already. */
export class AirlockApprovalAnsweredError extends AirlockApiError {
  override name = "AirlockApprovalAnsweredError";
  /** The approval with its first answer. */
  readonly approval: Approval | undefined;

  constructor(parts: ErrorParts & { approval: Approval | undefined }) {
    super(parts);
    this.approval = parts.approval;
  }
}

/** No answer: the gateway could not be reached, went silent, or the connection broke. */
export class AirlockNetworkError extends AirlockError {
  override name = "AirlockNetworkError";
}

/** A deadline given to `wait` passed before the run ended. The run goes on. */
export class AirlockTimeoutError extends AirlockError {
  override name = "AirlockTimeoutError";
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
export function isNotFound(error: unknown): error is AirlockApiError {
  return error instanceof AirlockApiError && error.status === 404;
}

/** The token is unknown or revoked. */
export function isUnauthorized(error: unknown): error is AirlockApiError {
  return error instanceof AirlockApiError && error.status === 401;
}

/** The token is good, but does not open this. */
export function isInsufficientScope(error: unknown): error is AirlockApiError {
  return error instanceof AirlockApiError && error.code === "insufficient_scope";
}

/** The idempotency key belongs to another submission; `existingRunId` names its run. */
export function isIdempotencyConflict(error: unknown): error is AirlockIdempotencyConflictError {
  return error instanceof AirlockIdempotencyConflictError;
}

/** The approval has an answer; `approval` holds it. */
export function isApprovalAnswered(error: unknown): error is AirlockApprovalAnsweredError {
  return error instanceof AirlockApprovalAnsweredError;
}

/** The gateway has too much to do; `retryAfterMs` says when to come back. */
export function isRateLimited(error: unknown): error is AirlockApiError {
  return error instanceof AirlockApiError && error.status === 429;
}
