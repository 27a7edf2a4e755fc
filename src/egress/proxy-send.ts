import type { ClientRequest, IncomingMessage } from "node:http";

import { answerParsing, awaitAnswer } from "./await-answer.ts";
import type { CallCut } from "./call-cut.ts";
import { tooLong } from "./proxy-plan.ts";
import { ProxyRefused } from "./proxy-refused.ts";
import type { Upstream } from "./upstream-pool.ts";

/** The body could not be read to its end: its sender has gone. */
export class CallerGone extends Error {
  override name = "CallerGone";
}

export interface Outgoing {
  method: string;
  host: string;
  path: string;
  query: string;
  headers: readonly (readonly [name: string, value: string])[];
  body: AsyncIterable<Uint8Array> | null;
  /** What the caller declared, when it did. */
  bodyBytes: number | null;
  bodyBytesMost: number;
}

/**
 * Resolves when the request has its connection, of which everything was checked, and not a byte was written to it.
 * Rejects with `UpstreamRefused`, or with what the signal's abort makes of it.
 */
export function openRequest(
  upstream: Upstream,
  call: Outgoing,
  signal: AbortSignal,
): Promise<ClientRequest> {
  const { method, path, query } = call;
  return new Promise((resolve, reject) => {
    const request = upstream.request({
      method,
      path: query === "" ? path : `${path}?${query}`,
      headers: ["host", call.host, ...call.headers.flat(), ...framing(call)],
      setHost: false,
      maxHeaderSize: answerParsing.maxHeaderSize,
      signal,
    });
    // This listener stays: an error that comes when nobody waits must not end the gateway.
    request.on("error", reject);
    request.once("socket", () => resolve(request));
  });
}

/**
 * How the body ends is always said: for GET and DELETE Node would write it without any framing, and the upstream would
 * read it as the next request (H05).
 */
function framing({ method, body, bodyBytes }: Outgoing): string[] {
  if (body === null) {
    return ["POST", "PUT", "PATCH"].includes(method) ? ["content-length", "0"] : [];
  }
  return bodyBytes === null
    ? ["transfer-encoding", "chunked"]
    : ["content-length", String(bodyBytes)];
}

/**
 * Sends the head and the body, and resolves with the answer, which may come before the body is through. Rejects as
 * `awaitAnswer`. A body that is not what it said, goes over its cap, or breaks off ends the call by `cut`, at whatever
 * point it is: the connection is gone then, so that half a request is never taken for a whole one.
 */
export function exchange(
  request: ClientRequest,
  call: Outgoing,
  cut: CallCut,
  onSent: (bytes: number) => void,
): Promise<IncomingMessage> {
  const answer = awaitAnswer(request, cut.signal);
  sendBody(request, call, onSent).catch(cut.abort);
  // An upstream may answer before it was told everything; what is left of the body is nobody's then.
  const stop = () => void (request.writableFinished || request.destroy());
  cut.over.addEventListener("abort", stop, { once: true });
  return answer;
}

async function sendBody(
  request: ClientRequest,
  { body, bodyBytes, bodyBytesMost }: Outgoing,
  onSent: (bytes: number) => void,
): Promise<void> {
  let bytes = 0;
  for await (const chunk of body === null ? [] : callerBody(body)) {
    bytes += chunk.byteLength;
    if (bytes > bodyBytesMost) throw tooLong(bodyBytesMost);
    if (bodyBytes !== null && bytes > bodyBytes) throw notAsLong();
    if (request.destroyed) return;
    onSent(chunk.byteLength);
    if (!request.write(chunk)) await drained(request);
  }
  if (body !== null && bodyBytes !== null && bytes !== bodyBytes) throw notAsLong();
  request.end();
}

function notAsLong(): ProxyRefused {
  return new ProxyRefused("bad_request", "The body does not have as many bytes as were declared");
}

async function* callerBody(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw new CallerGone("The body broke off", { cause: error });
  }
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    if (request.destroyed) return resolve();
    const done = () => {
      request.off("drain", done).off("close", done);
      resolve();
    };
    request.on("drain", done).on("close", done);
  });
}
