import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";

import { type ProxyError, proxyErrorStatus } from "../contract/proxy-call.ts";
import type { ProxyAnswer, RunProxy } from "./proxy.ts";
import { ProxyCut } from "./proxy-cut.ts";
import { drain, incomingBody, incomingHeaders, wrongFraming } from "./proxy-incoming.ts";
import { declaredBytes } from "./proxy-protocol.ts";

/**
 * Answers plain HTTP for an endpoint: the request goes on with its path and query byte for byte, and the upstream's own
 * status, headers and body come back as they arrive. `target` is what follows the authority in the request line. An
 * answer that is cut ends the connection, so that no client takes a part for the whole.
 */
export async function answerPlain(
  proxy: RunProxy,
  incoming: IncomingMessage,
  answer: ServerResponse,
  endpoint: string,
  target: string,
): Promise<void> {
  const wrong = wrongFraming(incoming);
  if (wrong !== undefined) {
    return refusePlain(incoming, answer, 400, { error: "bad_request", message: wrong });
  }
  const headers = incomingHeaders(incoming);
  const body = incomingBody(incoming, answer);
  const at = target.indexOf("?");
  const gone = new AbortController();
  answer.once("close", () => gone.abort());
  const result = await proxy.call({
    endpoint,
    door: "http",
    method: incoming.method ?? "",
    path: (at < 0 ? target : target.slice(0, at)) || "/",
    query: at < 0 ? "" : target.slice(at + 1),
    headers,
    body,
    bodyBytes: body === null ? null : declaredBytes(headers),
    signal: gone.signal,
  });
  if (!result.ok) return refusePlain(incoming, answer, result.status, result.error);
  await give(incoming, answer, endpoint, result);
}

/** The status says what kind of refusal it is, the reason phrase says it to whoever sees no more than that. */
export async function refusePlain(
  incoming: IncomingMessage,
  answer: ServerResponse,
  status: number,
  error: ProxyError,
): Promise<void> {
  const text = `${JSON.stringify(error)}\n`;
  const words = error.message.replace(/[^\x20-\x7e]/g, "?");
  answer.writeHead(status, words, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    connection: "close",
  });
  if (incoming.method !== "HEAD") answer.write(text);
  await drain(incoming);
  answer.end();
}

/** The head waits for the first bytes of the body: what fails before them can still be told in full. */
async function give(
  incoming: IncomingMessage,
  answer: ServerResponse,
  endpointName: string,
  result: Extract<ProxyAnswer, { ok: true }>,
): Promise<void> {
  const begin = () => {
    if (answer.headersSent) return;
    const mode = ["x-airlock-response-mode", result.mode];
    answer.writeHead(result.status, [...result.headers.flat(), ...mode]);
  };
  try {
    for await (const chunk of result.body ?? []) {
      if (answer.destroyed) return;
      begin();
      if (!answer.write(chunk)) await flushed(answer);
    }
  } catch (error) {
    if (!(error instanceof ProxyCut)) throw error;
    if (answer.headersSent) return breakOff(incoming);
    const { code, message } = error;
    const shown = { error: code, message, endpointName };
    return refusePlain(incoming, answer, proxyErrorStatus[code], shown);
  }
  begin();
  if (!result.truncated()) answer.end();
  // What is left of the request belongs to no answer any more, and the next one would be read out of it.
  if (result.truncated() || !incoming.complete) await breakOff(incoming);
}

/** Ends the connection. What was written still arrives; the end of an answer does, if it was written. */
async function breakOff({ socket }: IncomingMessage): Promise<void> {
  // Node gives its socket what was written within one tick only after it.
  await new Promise<void>((resolve) => setImmediate(resolve));
  socket.destroySoon();
}

function flushed(answer: ServerResponse): Promise<unknown> {
  const over = new AbortController();
  const { signal } = over;
  return Promise.race([once(answer, "drain", { signal }), once(answer, "close", { signal })])
    .catch(() => undefined)
    .finally(() => over.abort());
}
