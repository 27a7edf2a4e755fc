import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Asked, faultOf } from "./failure.ts";
import { retryAfterMs } from "./retry-after.ts";
import { scrub } from "./scrub.ts";

const asked: Asked = {
  id: "openai/gpt-5",
  provider: "openai",
  apiKey: "secret-key-of-mine-42",
  keyName: "the key of this run",
};

/** An error in the form in which the provider packages throw an answer that is no success. */
function answered(statusCode: number | undefined, message: string, responseBody = ""): Error {
  return Object.assign(new Error(message), { statusCode, responseBody, responseHeaders: {} });
}

describe("an error", () => {
  it.each([
    [429, "Rate limit reached: maximum context length of this tier", "model_error", true],
    [408, "Request Timeout", "model_error", true],
    [409, "Conflict", "model_error", true],
    [425, "Too Early", "model_error", true],
    [502, "Bad Gateway", "model_error", true],
    [529, "Overloaded", "model_error", true],
    [500, "blocked by our safety filter", "model_error", true],
    [400, "messages.1: wrong", "model_error", false],
    [402, "Insufficient Balance", "model_error", false],
    [403, "Country not supported", "model_error", false],
    [403, "anthropic/claude requires moderation. Your input was flagged", "model_refused", false],
    [
      400,
      "Invalid prompt: flagged as potentially violating our usage policy",
      "model_refused",
      false,
    ],
    [400, "input length and `max_tokens` exceed context limit: 1 + 2 > 3", "context_full", false],
    [
      400,
      "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
      "context_full",
      false,
    ],
    [undefined, "Overloaded", "model_error", true],
    [undefined, "Something odd", "model_error", false],
  ] as const)("%s %s is %s, asked again: %s", (status, message, reason, retry) => {
    expect(faultOf(answered(status, message), asked, 0)).toMatchObject({ reason, retry });
  });

  it("is understood by its body when its message says nothing", () => {
    const body = '{"error":{"code":"context_length_exceeded","message":"too long"}}';
    expect(faultOf(answered(400, "Bad Request", body), asked, 0).reason).toBe("context_full");
  });

  it.each(["ECONNRESET", "ECONNREFUSED", "ETIMEDOUT", "EPIPE", "UND_ERR_SOCKET", "ENOTFOUND"])(
    "of the network with %s anywhere in its causes is asked again",
    (code) => {
      const cause = Object.assign(new Error("inner"), { code });
      const error = new TypeError("fetch failed", { cause: new Error("middle", { cause }) });
      expect(faultOf(error, asked, 0)).toMatchObject({ reason: "model_error", retry: true });
    },
  );

  it("is not asked again when the provider says that it is no use", () => {
    const error = Object.assign(answered(500, "oops"), {
      responseHeaders: { "x-should-retry": "false" },
    });
    expect(faultOf(error, asked, 0).retry).toBe(false);
  });

  it("of any shape becomes a fault and never shows the key", () => {
    fc.assert(
      fc.property(fc.anything(), fc.string(), (value, text) => {
        const error = Object.assign(new Error(`${text}${asked.apiKey}${text}`), { cause: value });
        for (const each of [value, error]) {
          const { message } = faultOf(each, asked, 0);
          expect(message).not.toContain(asked.apiKey);
          expect(message.length).toBeLessThanOrEqual(500);
        }
      }),
    );
  });
});

describe("a message for people", () => {
  it.each([
    "sk-proj-abcdefghij",
    "sk-ant-api03-abc_DEF-123",
    "sk-ab***********wxyz",
    "AIzaSyA-1234567890abcdef",
    "https://me:pass-word@host/",
    "Authorization: Bearer abc.def-ghi",
    "https://host/?key=abcdef123",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.c2lnbmF0dXJl",
    "a1".repeat(25),
  ])("does not repeat %s", (text) => {
    const scrubbed = scrub(`before ${text} after`, []);
    expect(scrubbed).toContain("[redacted]");
    expect(scrubbed).not.toContain(text);
    expect(scrubbed).toMatch(/^before .*after$/);
  });

  it("keeps what is none", () => {
    const text =
      "anthropic/claude-sonnet-4-5-20250929 answered 500: request req_011CSHoEeqs5C35K2UUqR7Fy";
    expect(scrub(text, [])).toBe(text);
  });
});

describe("the wait that a provider asks for", () => {
  const now = Date.parse("2030-01-01T00:00:00Z");
  it.each([
    [{ "Retry-After": "2" }, 2000],
    [{ "retry-after": "1.5" }, 1500],
    [{ "retry-after": "Tue, 01 Jan 2030 00:01:00 GMT" }, 60_000],
    [{ "retry-after": "Mon, 01 Jan 2029 00:00:00 GMT" }, 0],
    [{ "retry-after-ms": "30" }, 30],
    [{ "retry-after-ms": "soon", "retry-after": "1" }, 1000],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ])("%o is %s ms", (headers, ms) => {
    expect(retryAfterMs(headers as Record<string, string>, now)).toBe(ms);
  });
});
