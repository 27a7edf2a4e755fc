import {
  type ProxyDoor,
  type ProxyEnvelope,
  type ProxyError,
  proxyErrorStatus,
} from "../contract/proxy-call.ts";
import { proxyProtocolVersion } from "../contract/proxy-endpoint.ts";
import type { ProxyAnswer, ProxyRequest, RunProxy } from "./proxy.ts";
import { ProxyCut } from "./proxy-cut.ts";
import type { HeaderList } from "./proxy-headers.ts";
import { spelledMethod } from "./proxy-method.ts";
import { ProxyRefused, quote } from "./proxy-refused.ts";

/** One POST of the protocol, whose sender was let in already. */
export interface ProtocolRequest {
  endpoint: string;
  door: ProxyDoor;
  /** As they came, in order; a name may be there twice. */
  headers: HeaderList;
  /** What the upstream is to get, raw; null when there is none. */
  body: AsyncIterable<Uint8Array> | null;
  signal: AbortSignal;
  delivered?: Promise<void>;
}

/** A whole answer, as one text of JSON. */
export interface ProtocolAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Answers the protocol: 200 with an envelope whatever the upstream said, and a flat error otherwise. The body of the
 * upstream is held in memory, so it ends at `limits.proxyEnvelopeBytes` or what the policy says, `truncated`. Never
 * rejects for what a caller or an upstream did.
 */
export async function answerProtocol(
  proxy: RunProxy,
  request: ProtocolRequest,
): Promise<ProtocolAnswer> {
  const { endpoint } = request;
  try {
    const answer = await proxy.call(readProtocol(request));
    if (!answer.ok) return json(answer.status, answer.error);
    return json(200, await envelope(endpoint, answer));
  } catch (error) {
    if (error instanceof ProxyRefused) return protocolError(error.code, error.message, endpoint);
    if (!(error instanceof ProxyCut)) throw error;
    return protocolError(error.code, error.message, endpoint);
  }
}

/** A refusal as the protocol says it. */
export function protocolError(
  code: ProxyError["error"],
  message: string,
  endpointName?: string,
): ProtocolAnswer {
  return json(proxyErrorStatus[code], {
    error: code,
    message,
    ...(endpointName === undefined ? {} : { endpointName }),
    ...(code === "unsupported_protocol" ? { serverProtocolVersion: proxyProtocolVersion } : {}),
  });
}

function json(status: number, body: ProxyError | ProxyEnvelope): ProtocolAnswer {
  const headers = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-airlock-proxy-protocol": proxyProtocolVersion,
  };
  return { status, headers, body: JSON.stringify(body) };
}

async function envelope(
  endpointName: string,
  answer: Extract<ProxyAnswer, { ok: true }>,
): Promise<ProxyEnvelope> {
  const parts: Uint8Array[] = [];
  for await (const part of answer.body ?? []) parts.push(part);
  const upstreamHeaders = new Map<string, string>();
  for (const [name, value] of answer.headers) {
    const before = upstreamHeaders.get(name);
    upstreamHeaders.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return {
    endpointName,
    upstreamStatus: answer.status,
    upstreamHeaders: Object.fromEntries(upstreamHeaders),
    ...(answer.body === null
      ? {}
      : { upstreamBodyBase64: Buffer.concat(parts).toString("base64") }),
    ...(answer.truncated() ? { truncated: true } : {}),
    effectiveResponseMode: answer.mode,
    modeClamped: answer.modeClamped,
    remainingCalls: answer.remainingCalls,
    remainingResponseBytes: answer.remainingBytes(),
  };
}

/** Reads the headers of the protocol, of either family. Throws `ProxyRefused`; of the call nothing is checked here. */
export function readProtocol(request: ProtocolRequest): ProxyRequest {
  const { endpoint, door, signal, delivered } = request;
  const said = (name: string) => protocolHeader(request.headers, name);
  if (said("proxy-protocol") !== proxyProtocolVersion) {
    throw new ProxyRefused(
      "unsupported_protocol",
      `The header x-airlock-proxy-protocol must be ${proxyProtocolVersion}`,
    );
  }
  const method = said("method");
  const path = said("path");
  if (method === undefined || path === undefined) {
    const missing = method === undefined ? "method" : "path";
    throw new ProxyRefused("bad_request", `The header x-airlock-${missing} is missing`);
  }
  const responseMode = said("response-mode");
  const bodyBytes = declaredBytes(request.headers);
  const isChunked = request.headers.some(([name]) => name.toLowerCase() === "transfer-encoding");
  // A request without a length and without chunks has no body, whatever its server made of that.
  const body = bodyBytes === 0 || (bodyBytes === null && !isChunked) ? null : request.body;
  return {
    ...{ endpoint, door, path, body, signal },
    method: spelledMethod(method),
    query: queryOf(said("query")),
    headers: headersOf(said("headers")),
    bodyBytes: body === null ? null : bodyBytes,
    ...(responseMode === undefined ? {} : { responseMode }),
    ...(delivered === undefined ? {} : { delivered }),
  };
}

/** A header that was given twice has to say the same: nobody knows which of two was meant. */
function protocolHeader(headers: HeaderList, name: string): string | undefined {
  const names = [`x-airlock-${name}`, `x-antpath-${name}`];
  const said = headers.filter(([given]) => names.includes(given.toLowerCase()));
  const values = new Set(said.map(([, value]) => value));
  if (values.size > 1) {
    throw new ProxyRefused("bad_request", `The header ${names[0]} was given with two values`);
  }
  return [...values][0];
}

function queryOf(text: string | undefined): string {
  const pairs: string[] = [];
  for (const [name, value] of members("query", text)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (typeof each !== "string") {
        throw wrongJson("query", `${quote(name)} must be a text or a list of texts`);
      }
      pairs.push(`${encode(name)}=${encode(each)}`);
    }
  }
  return pairs.join("&");
}

function headersOf(text: string | undefined): [string, string][] {
  return members("headers", text).map(([name, value]) => {
    if (typeof value !== "string") throw wrongJson("headers", `${quote(name)} must be a text`);
    return [name, value];
  });
}

function members(name: string, text: string | undefined): [string, unknown][] {
  if (text === undefined) return [];
  // The bytes of a header have no agreed encoding; JSON has one for every character that is not ASCII.
  if (!/^[\t\x20-\x7e]*$/.test(text)) throw wrongJson(name, "must be ASCII: use \\u escapes");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrongJson(name, "must be JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrongJson(name, "must be a JSON object");
  }
  return Object.entries(value);
}

function wrongJson(name: string, why: string): ProxyRefused {
  return new ProxyRefused("bad_request", `The header x-airlock-${name}: ${why}`);
}

/** A lone surrogate has no percent-encoding. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** The declared length of the body, which its sender's server holds it to. */
export function declaredBytes(headers: HeaderList): number | null {
  const [first] = headers.filter(([name]) => name.toLowerCase() === "content-length");
  return first !== undefined && /^\d{1,15}$/.test(first[1]) ? Number(first[1]) : null;
}
