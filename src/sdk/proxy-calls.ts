import type { ProxyCall, ProxyEnvelope } from "../contract/proxy-call.ts";
import {
  type ProxyMethod,
  type ProxyResponseMode,
  proxyProtocolVersion,
} from "../contract/proxy-endpoint.ts";
import { AirlockError } from "./errors.ts";
import type { PageOptions, Signal, Transport } from "./transport.ts";

/** A request to the upstream of a proxy endpoint. */
export interface ProxyRequest extends Signal {
  /** Default: GET. */
  method?: ProxyMethod;
  /** Default: `/`. As it is sent: what has to be percent-encoded is. */
  path?: string;
  query?: Record<string, string | readonly string[]>;
  /** Those that the endpoint lets through. */
  headers?: Record<string, string>;
  body?: string | Uint8Array | Blob;
  /** What comes back of the answer; at most what the endpoint gives. */
  responseMode?: ProxyResponseMode;
}

/** One page of the calls of a run's proxy endpoints. */
export interface ProxyCallPage {
  proxyCalls: ProxyCall[];
  nextCursor?: string;
}

export async function listProxyCalls(
  transport: Transport,
  runId: string,
  { limit, cursor, signal }: PageOptions,
): Promise<ProxyCallPage> {
  const path = `/api/runs/${encodeURIComponent(runId)}/proxy-calls`;
  const query = { limit, cursor };
  return (await transport.json({ method: "GET", path, query, signal })) as unknown as ProxyCallPage;
}

/**
 * Calls an endpoint of a run from outside of its sandbox. Never sent twice: the upstream may have done what it was asked.
 * Throws a `ProxyProblem`.
 */
export async function callProxy(
  transport: Transport,
  runId: string,
  endpoint: string,
  request: ProxyRequest,
): Promise<ProxyEnvelope> {
  const { method = "GET", path = "/", query, headers, body, responseMode, signal } = request;
  if (!/^\/[\x21-\x7e]*$/.test(path)) {
    const message = `path must start with / and be printable ASCII, and is ${JSON.stringify(path)}`;
    throw new AirlockError({ code: "invalid_request", message });
  }
  const protocol = {
    "x-airlock-proxy-protocol": proxyProtocolVersion,
    "x-airlock-method": method,
    "x-airlock-path": path,
    ...(query === undefined ? {} : { "x-airlock-query": asciiJson(query) }),
    ...(headers === undefined ? {} : { "x-airlock-headers": asciiJson(lowerCased(headers)) }),
    ...(responseMode === undefined ? {} : { "x-airlock-response-mode": responseMode }),
  };
  const sent = body === undefined ? {} : { raw: { blob: blobOf(body), type: octets } };
  const at = `/api/runs/${encodeURIComponent(runId)}/proxy/${encodeURIComponent(endpoint)}`;
  const answer = await transport.json({
    ...{ method: "POST", path: at, headers: protocol, ...sent },
    // The time-out is that of the endpoint.
    ...{ patient: true, signal },
  });
  return answer as unknown as ProxyEnvelope;
}

const octets = "application/octet-stream";

function blobOf(body: string | Uint8Array | Blob): Blob {
  if (body instanceof Blob) return body;
  return new Blob([typeof body === "string" ? body : new Uint8Array(body)]);
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}

/** A header holds ASCII only. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\x7f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
