import type { ContentfulStatusCode } from "hono/utils/http-status";
import { limits } from "../base/limits.ts";
import { ProxyCallId, RunId } from "../contract/ids.ts";
import { Problem, type ProblemCode } from "../contract/problem.ts";
import { type ProxyError, type ProxyErrorCode, proxyErrorStatus } from "../contract/proxy-call.ts";
import { proxyProtocolVersion } from "../contract/proxy-endpoint.ts";
import { bearerOf } from "./authenticate.ts";
import { fieldProblem } from "./field-problems.ts";
import type { Answers, Ctx, Front, ProxyCallRequest } from "./front.ts";
import { leaving } from "./layers.ts";
import { bodyChunks } from "./read-body.ts";
import { proxyRoutes } from "./secret-routes.ts";

/** The proxy endpoints of runs: what was called, and a call from outside of the sandbox. */
export function answerProxy(front: Front): Pick<Answers, keyof typeof proxyRoutes> {
  return {
    async listProxyCalls({ c, caller, params: { id }, query: { limit, cursor } }) {
      const { workspaceId } = caller.token;
      // A run without calls and a run that is not there are told apart.
      await front.corridor.get(workspaceId, id);
      const after = cursor === undefined ? null : readCursor(cursor);
      const { rows, more } = await front.proxy.calls(workspaceId, id, { after, most: limit });
      const last = rows.at(-1);
      const next = more && last !== undefined ? { nextCursor: last.id } : {};
      return c.json({ proxyCalls: rows, ...next });
    },

    /** Everything that goes wrong is said in the flat words of the protocol: its clients read no others. */
    async proxyCall({ c }) {
      const body = boundedBody(c, front);
      const answer = await answered(c, front, body).catch((error: unknown) =>
        refuse(c, front, body.problem() ?? error),
      );
      await body.leave();
      return answer;
    },
  };
}

async function answered(c: Ctx, front: Front, body: ReturnType<typeof boundedBody>) {
  const { stream, problem } = body;
  const who = await asked(c, front);
  const signal = leaving(front, c);
  const { status, headers, body: text } = await front.proxy.call({ ...who, body: stream, signal });
  // The room may have taken the cut for an end.
  if (problem() !== undefined) throw problem();
  return c.body(text, status as ContentfulStatusCode, headers);
}

function readCursor(cursor: string): string {
  if (ProxyCallId.safeParse(cursor).success) return cursor;
  throw fieldProblem("cursor", "expected the nextCursor of an earlier page");
}

type Asked = Omit<ProxyCallRequest, "body" | "signal">;

/**
 * Who speaks, and of what. A token of ours must open `runs`; what is none may be the run's own, which only the room behind
 * can tell. A token is never passed on with the headers (I6).
 */
async function asked(c: Ctx, front: Front): Promise<Asked> {
  if (front.closing.aborted) throw new Problem("shutting_down", "The gateway is stopping");
  const secret = bearerOf(c);
  const [runId, endpoint] = [c.req.param("id") ?? "", c.req.param("endpoint") ?? ""];
  const token = await front.tokens.find(secret);
  const isRun = RunId.safeParse(runId).success;
  const headers = new Headers(c.req.raw.headers);
  for (const name of ["authorization", "cookie", "proxy-authorization"]) headers.delete(name);
  if (token === undefined) {
    if (!isRun) throw new Problem("unauthorized", "The token is not that of the run");
    return { runId, workspaceId: null, runToken: secret, endpoint, headers };
  }
  if (!token.scopes.includes("runs")) {
    const message = `The token "${token.name}" does not have the scope "runs"`;
    throw new Problem("insufficient_scope", message);
  }
  if (!isRun) {
    const found = JSON.stringify(runId.slice(0, 100));
    throw new Problem("not_found", `No run has the id ${found}`);
  }
  // A run of another workspace and one that is not there look the same, whether it is at work or not (I14).
  await front.corridor.get(token.workspaceId, runId);
  return { runId, workspaceId: token.workspaceId, runToken: null, endpoint, headers };
}

/** The body piece by piece, at most what a policy can allow: a gigabyte is refused, not kept (I9). */
function boundedBody(c: Ctx, front: Front) {
  const most = limits.proxyRequestBytes;
  const chunks = bodyChunks(c.req.raw, Number.POSITIVE_INFINITY, front);
  let problem: Problem | undefined;
  let bytes = Number(c.req.header("content-length") ?? 0) > most ? most + 1 : 0;
  async function* pieces() {
    try {
      for (;;) {
        if (bytes > most) throw tooLarge(most);
        const { done, value } = await chunks.next();
        if (done) return;
        bytes += value.length;
        if (bytes <= most) yield value;
      }
    } catch (error) {
      if (error instanceof Problem) problem = error;
      throw error;
    }
  }
  /** A client whose connection ends while it writes never gets to reading why, so a part of the rest is read and dropped. */
  async function drain(): Promise<void> {
    for (let left: number = limits.proxyDrainBytes; left > 0; ) {
      const { done, value } = await chunks.next();
      if (done) return;
      left -= value.length;
    }
  }
  const none = c.req.raw.body === null || c.req.header("content-length") === "0";
  return {
    stream: none ? null : ReadableStream.from(pieces()),
    problem: () => problem,
    async leave(): Promise<void> {
      const over = new AbortController();
      const late = front.clock.sleep(limits.proxyDrainMs, over.signal);
      // Who breaks off has nothing to read, and who is slow has had its time.
      await Promise.race([drain(), late]).catch(() => undefined);
      over.abort();
      late.catch(() => undefined);
    },
  };
}

function tooLarge(most: number): Problem {
  return new Problem("payload_too_large", `The body has more than ${most} bytes`);
}

const codes: Partial<Record<ProblemCode, ProxyErrorCode>> = {
  unauthorized: "unauthorized",
  insufficient_scope: "unauthorized",
  not_found: "endpoint_not_found",
  run_deleted: "endpoint_not_found",
  too_many_requests: "rate_limited",
  invalid_request: "bad_request",
  payload_too_large: "exceeded_cap",
};

function refuse(c: Ctx, front: Front, error: unknown): Response {
  const known = error instanceof Problem ? codes[error.code] : undefined;
  const problem =
    error instanceof Problem && (known !== undefined || error.code === "shutting_down")
      ? error
      : new Problem("internal", "The gateway failed; X-Request-Id names the entry in its log");
  const route = proxyRoutes.proxyCall.path;
  front.refusals(problem, { requestId: c.get("requestId"), method: c.req.method, route }, error);
  const code = known ?? "internal_error";
  const body: ProxyError = { error: code, message: problem.message };
  return c.json(body, proxyErrorStatus[code], {
    "x-airlock-proxy-protocol": proxyProtocolVersion,
    ...(code === "unauthorized" ? { "WWW-Authenticate": 'Bearer realm="airlock"' } : {}),
  });
}
