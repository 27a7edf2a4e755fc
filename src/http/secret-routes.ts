import { z } from "zod";
import { RunId } from "../contract/ids.ts";
import {
  ProxyCall,
  ProxyEnvelope,
  ProxyError,
  type ProxyErrorCode,
  proxyErrorCodes,
  proxyErrorStatus,
} from "../contract/proxy-call.ts";
import { ProxyEndpointName } from "../contract/proxy-endpoint.ts";
import { KeyRotation, SecretInfo, SecretName, SetSecret } from "../contract/secret.ts";
import { PageQuery } from "./query.ts";
import type { Reply, Route } from "./route.ts";

const ofSecret = z.object({ name: SecretName });
const secret = z.object({ secret: SecretInfo });
const set = z.object({
  created: z.boolean().describe("There was none of this name"),
  secret: SecretInfo,
});

/** Secrets of the workspace. No answer holds a value. */
export const secretRoutes = {
  listSecrets: {
    method: "get",
    path: "/api/secrets",
    scope: "admin",
    tag: "Secrets",
    summary: "List the secrets of the workspace, without their values",
    replies: {
      200: { description: "All secrets", schema: z.object({ secrets: z.array(SecretInfo) }) },
    },
  },
  getSecret: {
    method: "get",
    path: "/api/secrets/{name}",
    scope: "admin",
    tag: "Secrets",
    summary: "Get a secret, without its value",
    params: ofSecret,
    replies: { 200: { description: "When it was set, and by whom", schema: secret } },
  },
  setSecret: {
    method: "put",
    path: "/api/secrets/{name}",
    scope: "admin",
    tag: "Secrets",
    summary: "Set a secret, or replace its value",
    description:
      "The new value is spent from the next call on, in runs that are going on too. The one before it is cut out of " +
      "everything for a while longer: see `maskedUntil`.",
    params: ofSecret,
    body: SetSecret,
    bodyHidden: true,
    replies: {
      201: { description: "There was none of this name", schema: set },
      200: { description: "The value is replaced", schema: set },
    },
    problems: ["storage_full"],
  },
  deleteSecret: {
    method: "delete",
    path: "/api/secrets/{name}",
    scope: "admin",
    tag: "Secrets",
    summary: "Delete a secret",
    description:
      "Nothing can be spent by this name any more. Its value is still cut out of everything for a while.",
    params: ofSecret,
    replies: { 204: { description: "It is deleted" } },
  },
  rotateKey: {
    method: "post",
    path: "/api/rotate-key",
    scope: "admin",
    tag: "Upkeep",
    summary: "Seal every secret of the gateway anew under a new key",
    description: "Of all workspaces and of all runs that have not ended. The gateway goes on.",
    replies: {
      200: { description: "It is done", schema: z.object({ report: KeyRotation }) },
    },
    problems: ["storage_full"],
  },
} as const satisfies Record<string, Route>;

/** The codes of one status, as the description of its answer. */
function refusals(): Record<number, Reply> {
  const byStatus = Object.groupBy(proxyErrorCodes, (code) => String(proxyErrorStatus[code]));
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, codes = []]) => [
      status,
      { description: codes.map(named).join(", "), schema: ProxyError },
    ]),
  );
}

function named(code: ProxyErrorCode): string {
  return `\`${code}\``;
}

/** What runs do through their proxy endpoints. */
export const proxyRoutes = {
  listProxyCalls: {
    method: "get",
    path: "/api/runs/{id}/proxy-calls",
    scope: "runs",
    tag: "Runs",
    summary: "List the calls of a run's proxy endpoints, oldest first",
    description:
      "Each is here before its answer has ended; none holds a header, a body or a query.",
    params: z.object({ id: RunId }),
    query: PageQuery,
    replies: {
      200: {
        description: "One page; `nextCursor` when there is another",
        schema: z.object({
          proxyCalls: z.array(ProxyCall),
          nextCursor: z.string().optional().describe("Pass it as `cursor` to read on"),
        }),
      },
    },
    problems: ["run_deleted"],
  },
  proxyCall: {
    method: "post",
    path: "/api/runs/{id}/proxy/{endpoint}",
    scope: "run",
    tag: "Runs",
    summary: "Call a proxy endpoint of a run",
    description:
      "The body is that of the request to the upstream. Whatever the upstream answers is a success here, in an envelope; " +
      "errors are flat: `{error, message, …}`. The headers may be spelt `x-antpath-…` too.",
    params: z.object({ id: RunId, endpoint: ProxyEndpointName }),
    headers: {
      "x-airlock-proxy-protocol": 'The version that the caller speaks: "1"',
      "x-airlock-method": "GET, POST, PUT, PATCH, DELETE or HEAD",
      "x-airlock-path": "The path, below that of the endpoint",
      "x-airlock-query": "A JSON object of query parameters: each a text, or a list of texts",
      "x-airlock-headers": "A JSON object of request headers",
      "x-airlock-response-mode": "status_only, headers_only or full; may only narrow",
    },
    upload: { type: "application/octet-stream", description: "The body of the request, if any" },
    replies: {
      200: { description: "The upstream answered", schema: ProxyEnvelope },
      ...refusals(),
    },
  },
} as const satisfies Record<string, Route>;
