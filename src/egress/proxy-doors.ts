import type { IncomingMessage, ServerResponse } from "node:http";

import { isSameSecret } from "../base/same-secret.ts";
import type { RunProxy } from "./proxy.ts";
import { drain, incomingBody, incomingHeaders, wrongFraming } from "./proxy-incoming.ts";
import { answerPlain, refusePlain } from "./proxy-plain.ts";
import { answerProtocol, type ProtocolAnswer, protocolError } from "./proxy-protocol.ts";

/** What the socket of a run's call needs to answer for the run's endpoints. */
export interface ProxyDoors {
  proxy: RunProxy;
  /** Shown by code of the run that speaks the protocol. */
  runToken: string;
  runId: string;
}

export type ProxyTarget =
  | { kind: "endpoint"; name: string; rest: string }
  /** A name below `.proxy` that is none of an endpoint, or with a port of its own: it is never looked up. */
  | { kind: "unknown" }
  | { kind: "protocol"; runId: string; endpoint: string };

/** What a request line has to do with endpoints; undefined when nothing. Nothing is decoded. */
export function proxyTarget(text: string): ProxyTarget | undefined {
  const protocol = /^\/api\/runs\/([^/?#]*)\/proxy\/([^/?#]*)$/.exec(text);
  if (protocol) {
    const [, runId = "", endpoint = ""] = protocol;
    return { kind: "protocol", runId, endpoint };
  }
  const [whole, authority = ""] = /^http:\/\/([^/?#\\]*)/i.exec(text) ?? [];
  if (whole === undefined || !proxyHost(authority.replace(/^.*@/, ""))) return undefined;
  const name = /^([a-z][a-z0-9_-]{0,62})\.proxy(?::80)?$/i.exec(authority)?.[1];
  if (name === undefined) return { kind: "unknown" };
  return { kind: "endpoint", name: name.toLowerCase(), rest: text.slice(whole.length) };
}

/**
 * The host of `host` or `host:port` when its name is one of ours, which no DNS knows and none may be asked for.
 * Endpoints may have an underscore, which host names have not.
 */
export function proxyHost(authority: string): string | undefined {
  const [, host] = /^((?:[\w.-]+\.)?proxy)\.?(?::\d*)?$/i.exec(authority) ?? [];
  return host?.toLowerCase();
}

/** Answers a request that `proxyTarget` has recognised. */
export async function answerProxy(
  doors: ProxyDoors,
  target: ProxyTarget,
  incoming: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  if (target.kind === "endpoint") {
    return answerPlain(doors.proxy, incoming, answer, target.name, target.rest);
  }
  if (target.kind === "unknown") {
    const message = "An endpoint is at http://NAME.proxy/, without a port, a user or other names";
    return refusePlain(incoming, answer, 400, { error: "bad_request", message });
  }
  const gone = new AbortController();
  answer.once("close", () => gone.abort());
  const { status, headers, body } = await spoken(doors, target, incoming, answer, gone.signal);
  const closing = incoming.complete ? {} : { connection: "close" };
  answer.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body), ...closing });
  answer.write(body);
  await drain(incoming);
  answer.end();
}

async function spoken(
  doors: ProxyDoors,
  { runId, endpoint }: Extract<ProxyTarget, { kind: "protocol" }>,
  incoming: IncomingMessage,
  answer: ServerResponse,
  signal: AbortSignal,
): Promise<ProtocolAnswer> {
  const token = /^Bearer ([\x21-\x7e]+)$/i.exec(incoming.headers.authorization ?? "")?.[1];
  // Another run's id and a wrong token look the same.
  if (token === undefined || !isSameSecret(token, doors.runToken) || runId !== doors.runId) {
    return protocolError("unauthorized", "The run token is missing or is not of this run");
  }
  const wrong = wrongFraming(incoming);
  if (wrong !== undefined) return protocolError("bad_request", wrong);
  if (incoming.method !== "POST") {
    const words = "The protocol is spoken with POST; the method of the call is x-airlock-method";
    return protocolError("bad_request", words, endpoint);
  }
  const headers = incomingHeaders(incoming);
  const body = incomingBody(incoming, answer);
  const delivered = new Promise<void>((resolve) => {
    if (answer.closed) resolve();
    else answer.once("close", resolve);
  });
  const said = { endpoint, door: "protocol", headers, body, signal, delivered } as const;
  return answerProtocol(doors.proxy, said);
}
