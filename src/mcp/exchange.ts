import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { type Budget, messagesOf, type StreamPlace, textOf } from "./answer.ts";
import { type Message, readMessages } from "./json-rpc.ts";
import { McpError } from "./mcp-error.ts";

/** Sends one request to the server's own address, with its credential; redirects are given as they are. */
export type Reach = (request: {
  method: "POST" | "GET" | "DELETE";
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
}) => Promise<Response>;

/** How far a tool says that it is. */
export interface Progress {
  progress: number;
  total: number | null;
  message: string;
}

export interface Asked {
  id: number;
  method: string;
  params: Record<string, unknown>;
  /** Of every request of the session: version, session id. */
  headers: Record<string, string>;
  budget: Budget;
  /** A server of the older kind: it may ask back, and a broken answer of it can be taken up again. */
  hasSession: boolean;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** What a session of the server was, it is no more: nothing was done. */
export class SessionGone extends Error {
  override name = "SessionGone";
}

/** The server's own complaint about a request. */
export class Complaint extends McpError {
  readonly rpcCode: number | undefined;

  constructor(message: string, rpcCode?: number) {
    super("server_error", message);
    this.rpcCode = rpcCode;
  }
}

const accepted = "application/json, text/event-stream";

/** Posts a message; the answer has a status that says it was taken. Throws `SessionGone` and `McpError`s. */
export async function post(
  reach: Reach,
  { headers, body, budget }: { headers: Record<string, string>; body: unknown; budget: Budget },
  signal: AbortSignal,
): Promise<Response> {
  const answer = await reach({
    method: "POST",
    headers: { ...headers, "content-type": "application/json", accept: accepted },
    body: JSON.stringify(body),
    signal,
  });
  if (answer.ok) return answer;
  throw await refusalOf(answer, headers, budget);
}

async function refusalOf(
  answer: Response,
  headers: Record<string, string>,
  budget: Budget,
): Promise<Error> {
  const { status } = answer;
  if (status >= 300 && status < 400) {
    await answer.body?.cancel();
    return new McpError(
      "refused",
      `The server answered with a redirect (HTTP ${status}), and none is ever followed: declare the address that it leads to`,
    );
  }
  if (status === 401 || status === 403) {
    await answer.body?.cancel();
    return new McpError("unauthorized", `The server refused the credential (HTTP ${status})`);
  }
  if (status === 404 && "mcp-session-id" in headers) {
    await answer.body?.cancel();
    return new SessionGone("The server has ended the session");
  }
  const text = await textOf(answer, budget);
  const [told] = complaintsIn(text);
  return told ?? new Complaint(`The server answered with HTTP ${status}`);
}

/** A body that says in the protocol's own words what was wrong; anything else says nothing. */
function complaintsIn(text: string): Complaint[] {
  try {
    return readMessages(text).flatMap((message) => complaintOf(message) ?? []);
  } catch (error) {
    if (error instanceof McpError) return [];
    throw error;
  }
}

function complaintOf(message: Message): Complaint | undefined {
  if (!("error" in message)) return undefined;
  const { code, message: said } = message.error;
  return new Complaint(`The server says: ${said} (${code})`, code);
}

/**
 * One request and its answer. Progress is told on the way; what the server asks back is answered (`ping`) or refused; an
 * answer that broke off is taken up where the server allows it. Throws `McpError`s, `SessionGone` and the signal's reason.
 */
export async function exchange(
  { reach, clock }: { reach: Reach; clock: Pick<Clock, "sleep"> },
  asked: Asked,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const { id, method, params, headers, budget } = asked;
  const place: StreamPlace = { lastId: undefined, retryMs: undefined };
  const body = { jsonrpc: "2.0", id, method, params };
  let answer = await post(reach, { headers, body, budget }, signal);
  const reader = openReader(reach, asked, signal);
  for (let taken = 0; ; taken++) {
    const result = await reader.read(answer, place);
    if (result !== undefined) return result;
    if (!asked.hasSession || place.lastId === undefined || taken === limits.mcpResumes) {
      throw new McpError("protocol", "The server ended its answer before it was complete");
    }
    await clock.sleep(Math.min(30_000, Math.max(100, place.retryMs ?? 1_000)), signal);
    const again = { ...headers, accept: "text/event-stream", "last-event-id": place.lastId };
    answer = await reach({ method: "GET", headers: again, signal });
    if (!answer.ok) throw await refusalOf(answer, headers, budget);
  }
}

/** Reads streams until the answer to one request was there; what else comes is dealt with on the way. */
function openReader(reach: Reach, asked: Asked, signal: AbortSignal) {
  const { id, headers, budget, hasSession } = asked;
  let questions = 0;
  let told = 0;

  async function answerBack(question: { id: string | number; method: string }): Promise<void> {
    questions += 1;
    if (!hasSession || questions > limits.mcpServerRequests) {
      throw new McpError("protocol", "The server asks back in place of an answer");
    }
    const error = { code: -32601, message: "This client does nothing for a server" };
    const said = question.method === "ping" ? { result: {} } : { error };
    const body = { jsonrpc: "2.0", id: question.id, ...said };
    const answer = await post(reach, { headers, body, budget }, signal);
    await answer.body?.cancel();
  }

  function onNotified({ method, params }: { method: string; params?: unknown }): void {
    const { progressToken, progress, total, message } = (params ?? {}) as Record<string, unknown>;
    if (method !== "notifications/progress" || progressToken !== id) return;
    told += 1;
    if (typeof progress !== "number" || told > limits.mcpProgress) return;
    asked.onProgress?.({
      progress,
      total: typeof total === "number" ? total : null,
      message: typeof message === "string" ? message : "",
    });
  }

  return {
    async read(answer: Response, place: StreamPlace): Promise<Record<string, unknown> | undefined> {
      try {
        for await (const message of messagesOf(answer, budget, place)) {
          if ("method" in message) {
            if ("id" in message) await answerBack(message);
            else onNotified(message);
          } else if (message.id === id || (message.id ?? null) === null) {
            if ("result" in message) return message.result;
            throw complaintOf(message);
          }
        }
      } catch (error) {
        signal.throwIfAborted();
        const isBroken = !(error instanceof McpError) && !(error instanceof SessionGone);
        if (!isBroken) throw error;
        if (place.lastId === undefined) {
          throw new McpError("unreachable", "The connection broke before the answer was complete", {
            cause: error,
          });
        }
      }
      return undefined;
    },
  };
}
