import { z } from "zod";
import { CallId, ProxyCallId, RunId } from "./ids.ts";
import { ProxyResponseMode } from "./proxy-endpoint.ts";

/** What can go wrong with a call of a proxy endpoint, with the status of its answer. The names never change. */
export const proxyErrorStatus = {
  bad_request: 400,
  unauthorized: 401,
  policy_denied: 403,
  ssrf_denied: 403,
  endpoint_not_found: 404,
  unsupported_protocol: 426,
  rate_limited: 429,
  budget_exceeded: 429,
  internal_error: 500,
  exceeded_cap: 502,
  upstream_error: 502,
  upstream_timeout: 504,
} as const;
export type ProxyErrorCode = keyof typeof proxyErrorStatus;
export const proxyErrorCodes = Object.keys(proxyErrorStatus) as ProxyErrorCode[];

/** The body of a call that failed: flat, and its message says nothing that came from the upstream. */
export const ProxyError = z
  .object({
    error: z.enum(proxyErrorCodes),
    message: z.string(),
    endpointName: z.string().optional(),
    upstreamStatus: z.int().optional(),
    serverProtocolVersion: z.string().optional(),
  })
  .meta({ id: "ProxyError" });
export type ProxyError = z.infer<typeof ProxyError>;

/** The answer to a call that reached its upstream, whatever the upstream said: a 404 of it is a success here. */
export const ProxyEnvelope = z
  .object({
    endpointName: z.string(),
    upstreamStatus: z.int(),
    upstreamHeaders: z.record(z.string(), z.string()).describe("Lower-case names, filtered"),
    upstreamBodyBase64: z.string().optional().describe("Only in mode full"),
    truncated: z.boolean().optional(),
    effectiveResponseMode: ProxyResponseMode,
    modeClamped: z.boolean().describe("More was asked for than the policy gives"),
    remainingCalls: z.int(),
    remainingResponseBytes: z.int(),
  })
  .meta({ id: "ProxyEnvelope" });
export type ProxyEnvelope = z.infer<typeof ProxyEnvelope>;

/**
 * How a call ended. `ok`: the upstream answered. `denied`: nothing was sent. `failed`: it was sent, and no whole answer
 * came back. `interrupted`: the gateway or the run ended meanwhile.
 */
export const proxyOutcomes = ["ok", "denied", "failed", "interrupted"] as const;
export const ProxyOutcome = z.enum(proxyOutcomes);
export type ProxyOutcome = z.infer<typeof ProxyOutcome>;

/** By which door a call came: the documented protocol, plain HTTP to `NAME.proxy`, or the API of the gateway. */
export const proxyDoors = ["protocol", "http", "api"] as const;
export const ProxyDoor = z.enum(proxyDoors);
export type ProxyDoor = z.infer<typeof ProxyDoor>;

/** One call of a proxy endpoint as the journal keeps it: no header, no body, no query, no credential. */
export const ProxyCalled = z.object({
  id: ProxyCallId,
  call_id: CallId.nullable().describe("The call of the run that was going on"),
  endpoint: z.string(),
  door: ProxyDoor,
  method: z.string(),
  path: z.string().describe("Without the query, and without secrets"),
  request_bytes: z.int(),
  status: z.int().nullable().describe("What the upstream answered"),
  response_bytes: z.int().describe("As read from the upstream, after decompression"),
  outcome: ProxyOutcome,
  error: z.enum(proxyErrorCodes).nullable(),
  mode_clamped: z.boolean(),
  truncated: z.boolean(),
  redacted: z.boolean().describe("A secret was cut out of the answer"),
  address: z.string().nullable().describe("The address that was dialled"),
  started_at: z.iso.datetime(),
  duration_ms: z.int(),
});
export type ProxyCalled = z.infer<typeof ProxyCalled>;

/** The same as a client reads it. */
export const ProxyCall = z
  .object({
    id: ProxyCallId,
    runId: RunId,
    callId: CallId.nullable(),
    endpointName: z.string(),
    door: ProxyDoor,
    method: z.string(),
    requestPathRedacted: z.string(),
    requestByteSize: z.int(),
    responseStatus: z.int().nullable(),
    responseByteSize: z.int(),
    outcome: ProxyOutcome,
    errorClass: z.enum(proxyErrorCodes).nullable(),
    modeClamped: z.boolean(),
    truncated: z.boolean(),
    redacted: z.boolean(),
    startedAt: z.iso.datetime(),
    finishedAt: z.iso.datetime(),
    durationMs: z.int(),
  })
  .meta({ id: "ProxyCall" });
export type ProxyCall = z.infer<typeof ProxyCall>;
