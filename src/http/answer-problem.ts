import { STATUS_CODES } from "node:http";
import { Problem, type ProblemCode } from "../contract/problem.ts";
import type { RefusalLog, Refused } from "./refusal-log.ts";

/** When it is worth asking again, in seconds. */
const retryAfter: Partial<Record<ProblemCode, number>> = {
  too_many_requests: 5,
  queue_full: 10,
  shutting_down: 5,
};

/** What every response carries: nothing that we send is a page, and nobody in between may keep it. */
export const safeHeaders = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
} as const;

/**
 * The answer to anything thrown. What is not a `Problem` is our own defect: the client learns `internal` and the request
 * id, the log learns the rest.
 */
export function answerProblem(error: unknown, request: Refused, log: RefusalLog): Response {
  const problem = error instanceof Problem ? error : internal();
  log(problem, request, error);
  return Response.json(problem.toBody(), {
    status: problem.status,
    headers: { ...safeHeaders, "X-Request-Id": request.requestId, ...headersOf(problem) },
  });
}

/** The same for a request that could not even be parsed, as the raw text of an HTTP/1.1 response. */
export function rawProblem(status: number, message: string, requestId: string): string {
  const body = JSON.stringify(new Problem("invalid_request", message).toBody());
  const headers = {
    ...safeHeaders,
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    "X-Request-Id": requestId,
    Connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

function internal(): Problem {
  return new Problem(
    "internal",
    "The gateway failed to answer; X-Request-Id names the entry in its log",
  );
}

function headersOf(problem: Problem): Record<string, string> {
  const headers: Record<string, string> = {};
  if (problem.code === "unauthorized") headers["WWW-Authenticate"] = 'Bearer realm="airlock"';
  const seconds = problem.details?.retryAfterSeconds ?? retryAfter[problem.code];
  if (seconds !== undefined) headers["Retry-After"] = String(seconds);
  if (problem.code === "shutting_down") headers.Connection = "close";
  const allow = problem.details?.allow;
  if (problem.code === "method_not_allowed" && Array.isArray(allow)) {
    headers.Allow = allow.join(", ");
  }
  return headers;
}
