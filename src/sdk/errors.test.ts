import { describe, expect, it } from "vitest";
import * as sdk from "./sdk.ts";
import { AirlockClient, AirlockError, ApiError, type ErrorParts } from "./sdk.ts";

const token = "not-a-real-token";
const exported: Record<string, unknown> = { ...sdk };
const runId = "run_01kadz3v6m5c0jx9s2qf8t7w4b";

/** What a client throws for an answer. */
async function thrown(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer: typeof fetch = async () => new Response(text, { status, headers });
  const client = new AirlockClient({ token, fetch: answer, maxRetries: 0 });
  const error = await client.getRun(runId).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

const said = (code: string, details?: Record<string, unknown>) => ({
  error: { code, message: "It did not work", ...(details ? { details } : {}) },
});

describe("an answer that is no success", () => {
  const kinds: [number, unknown, string, object][] = [
    [401, said("unauthorized"), "AuthError", { code: "unauthorized", requiredScope: undefined }],
    [
      403,
      said("insufficient_scope", { requiredScope: "admin" }),
      "AuthError",
      { requiredScope: "admin" },
    ],
    [
      403,
      said("insufficient_scope", { requiredScopes: ["runs", "approve"] }),
      "AuthError",
      { requiredScope: "runs or approve" },
    ],
    [403, said("forbidden"), "ApiError", { code: "forbidden" }],
    [404, said("not_found"), "NotFoundError", { code: "not_found" }],
    [410, said("run_deleted"), "ApiError", { code: "run_deleted" }],
    [429, said("too_many_requests"), "RateLimitError", { retryAfterMs: 2000 }],
    [
      409,
      said("idempotency_conflict", { existingRunId: runId }),
      "IdempotencyConflictError",
      { existingRunId: runId },
    ],
    [
      409,
      said("approval_answered", { approval: { id: "apr_1" } }),
      "ApprovalAnsweredError",
      { approval: { id: "apr_1" } },
    ],
    [503, said("shutting_down"), "ApiError", { retryAfterMs: 2000 }],
  ];
  for (const [status, body, name, members] of kinds) {
    it(`is ${name} for ${status} with ${JSON.stringify(body)}`, async () => {
      const error = await thrown(status, body, { "retry-after": "2", "x-request-id": "req_1" });
      expect(error.name).toBe(name);
      expect(error).toBeInstanceOf(exported[name] as typeof ApiError);
      expect(error).toMatchObject({ status, requestId: "req_1", ...members });
      expect(error.body).toEqual(body);
    });
  }

  const shapes: [string, number, unknown, object][] = [
    [
      "a sentence alone",
      404,
      { error: "Nothing here" },
      { code: "not_found", message: "Nothing here" },
    ],
    [
      "a code alone",
      403,
      { error: "insufficient_scope", requiredScope: "admin" },
      {
        name: "AuthError",
        code: "insufficient_scope",
        requiredScope: "admin",
        message: "insufficient_scope",
      },
    ],
    [
      "a code and a sentence",
      409,
      { error: "conflict", message: "Twice", existing: 1 },
      { name: "ApiError", code: "conflict", message: "Twice", details: { existing: 1 } },
    ],
    [
      "no, a code and a sentence",
      429,
      { ok: false, code: "slow_down", message: "Later" },
      { name: "RateLimitError", code: "slow_down", message: "Later" },
    ],
    [
      "a sentence under its own name",
      500,
      { message: "Broken" },
      { code: "internal", message: "Broken" },
    ],
    ["an empty object", 401, {}, { code: "unexpected_answer", status: 401 }],
    [
      "nothing",
      502,
      "",
      { code: "unexpected_answer", message: expect.stringContaining("an empty body") },
    ],
    [
      "a page for people",
      502,
      "<html>Bad gateway</html>",
      { code: "unexpected_answer", message: expect.stringContaining("<html>") },
    ],
  ];
  for (const [what, status, body, members] of shapes) {
    it(`is understood when it is ${what}`, async () => {
      expect(await thrown(status, body)).toMatchObject({ status, ...members });
    });
  }

  it("keeps ids, digests, dates and paths, and no credential, in message and details", async () => {
    const details = {
      existingRunId: runId,
      hash: `sha256:${"a1".repeat(32)}`,
      at: "2026-11-20T10:11:12Z",
      path: "/workspace/outputs/report-2026/final-v2",
    };
    const key = `sk-ant-${"aB3dE5gH7j".repeat(3)}`;
    const body = {
      error: {
        code: "x",
        message: `${key} of ${runId} is bad; ${token} too`,
        details: { ...details, key },
      },
    };
    const error = await thrown(400, body);
    expect(error.message).toBe(`[REDACTED] of ${runId} is bad; [token] too`);
    expect(error.details).toEqual({ ...details, key: "[REDACTED]" });
  });
});

describe("guards of errors", () => {
  const parts = (status: number, code = "x"): ErrorParts => ({ code, message: "No", status });
  const errors: Record<string, AirlockError> = {
    isAuthError: new sdk.AuthError(parts(403, "insufficient_scope")),
    isUnauthorized: new sdk.AuthError(parts(401)),
    isInsufficientScope: new sdk.AuthError(parts(403, "insufficient_scope")),
    isNotFound: new sdk.NotFoundError(parts(404)),
    isRateLimited: new sdk.RateLimitError(parts(429)),
    isIdempotencyConflict: new sdk.IdempotencyConflictError({
      ...parts(409),
      existingRunId: runId,
    }),
    isApprovalAnswered: new sdk.ApprovalAnsweredError({ ...parts(409), approval: undefined }),
    isProxyProblem: new sdk.ProxyProblem(parts(403)),
    isNetworkError: new sdk.NetworkError({ code: "unreachable", message: "No" }),
    isTimeout: new sdk.TimeoutError(runId, "running", 5),
  };

  for (const [name, own] of Object.entries(errors)) {
    it(`${name} knows its own`, () => {
      const guard = exported[name] as typeof sdk.isNotFound;
      expect(guard(own)).toBe(true);
      const plain = [
        new AirlockError({ code: "x", message: "No" }),
        new ApiError(parts(500)),
        new Error("No"),
        null,
        "x",
      ];
      for (const other of plain) expect(guard(other)).toBe(false);
    });
  }

  it("a budget that is used up is no rate limit", () => {
    expect(sdk.isRateLimited(new sdk.ProxyProblem(parts(429, "budget_exceeded")))).toBe(false);
  });
});

describe("an answer without an end", () => {
  for (const status of [200, 500]) {
    it(`with the status ${status} is cut, and an error`, async () => {
      let pulled = 0;
      let cancelled = false;
      const piece = new TextEncoder().encode("x".repeat(1024 * 1024));
      const answer: typeof fetch = async () => {
        const body = new ReadableStream({
          pull(out) {
            pulled += 1;
            if (pulled > 300) out.error(new Error("read on and on"));
            else out.enqueue(piece);
          },
          cancel() {
            cancelled = true;
          },
        });
        return new Response(body, { status });
      };
      const client = new AirlockClient({ token, fetch: answer, maxRetries: 0 });
      const error = await client.getRun(runId).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: "ApiError", code: "unexpected_answer", status });
      expect(cancelled).toBe(true);
      expect(pulled).toBeLessThan(status === 200 ? 300 : 10);
    });
  }
});
