import { z } from "zod";

/** Every code that a client can ever see, with its HTTP status. A code is stable; its message may improve. */
export const problemStatus = {
  invalid_request: 400,
  model_unknown: 400,
  model_credential_missing: 400,
  provider_unconfigured: 400,
  agent_invalid: 400,
  input_invalid: 400,
  bundle_invalid: 400,
  hash_mismatch: 400,
  unauthorized: 401,
  insufficient_scope: 403,
  not_found: 404,
  method_not_allowed: 405,
  idempotency_conflict: 409,
  run_not_started: 409,
  run_not_finished: 409,
  run_finished: 409,
  layer_in_use: 409,
  layer_unusable: 409,
  data_dir_locked: 409,
  approval_answered: 409,
  interaction_answered: 409,
  agent_in_use: 409,
  run_deleted: 410,
  skill_deleted: 410,
  agents_md_deleted: 410,
  file_deleted: 410,
  payload_too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  queue_full: 429,
  internal: 500,
  digest_mismatch: 500,
  shutting_down: 503,
  sandbox_unavailable: 503,
  storage_full: 507,
} as const;

export type ProblemCode = keyof typeof problemStatus;

/** One wrong field of a request: where it is, what was wanted there, and what was found (shortened). */
export const FieldProblem = z
  .object({ path: z.string(), message: z.string(), received: z.string().optional() })
  .meta({ id: "FieldProblem" });
export type FieldProblem = z.infer<typeof FieldProblem>;

/** The body of every answer that is not a success. `X-Request-Id` on the response names the request in the log. */
export const ErrorBody = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
  })
  .meta({ id: "Error" });
export type ErrorBody = z.infer<typeof ErrorBody>;

/**
 * An error that a client can see and act on. Anything else that is thrown is our own defect and becomes `internal`
 * without its message. Messages are sentences without a full stop that name the field, the value and what was wanted.
 */
export class Problem extends Error {
  override name = "Problem";
  readonly code: ProblemCode;
  readonly details: Record<string, unknown> | undefined;

  constructor(
    code: ProblemCode,
    message: string,
    details?: Record<string, unknown>,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return problemStatus[this.code];
  }

  toBody(): ErrorBody {
    return {
      error: {
        code: this.code,
        message: this.message,
        ...(this.details ? { details: this.details } : {}),
      },
    };
  }
}
