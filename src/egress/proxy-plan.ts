import { limits } from "../base/limits.ts";
import {
  type ProxyMethod,
  type ProxyResponseMode,
  proxyResponseModes,
  type WholeProxyEndpoint,
} from "../contract/proxy-endpoint.ts";
import type { ProxyRequest } from "./proxy.ts";
import { headersToSend } from "./proxy-headers.ts";
import { methodToSend } from "./proxy-method.ts";
import { pathToSend } from "./proxy-path.ts";
import { checkQuery } from "./proxy-query.ts";
import { ProxyRefused, quote } from "./proxy-refused.ts";

/** A call that the policy lets through, as it will be sent but for the credential. */
export interface PlannedCall {
  method: ProxyMethod;
  path: string;
  query: string;
  headers: [name: string, value: string][];
  mode: ProxyResponseMode;
  /** More was asked for than the policy gives. */
  modeClamped: boolean;
  /** Of one answer. */
  responseBytesMost: number;
}

/** Holds a call against its policy. Nothing is counted, resolved or sent before this has passed. Throws `ProxyRefused`. */
export function planCall(policy: WholeProxyEndpoint, request: ProxyRequest): PlannedCall {
  const method = methodToSend(policy, request.method);
  const path = pathToSend(policy, request.path);
  checkQuery(policy.authShape, request.query);
  const headers = headersToSend(policy, request.headers);
  if (method === "HEAD" && request.body !== null) {
    throw new ProxyRefused("bad_request", "A HEAD request must not have a body");
  }
  if ((request.bodyBytes ?? 0) > policy.maxRequestBytes) throw tooLong(policy.maxRequestBytes);
  const most = policy.maxResponseBytes;
  return {
    ...{ method, path, query: request.query, headers },
    ...narrowest(policy.responseMode, request.responseMode),
    // An envelope is one text in memory; plain HTTP is streamed.
    responseBytesMost: request.door === "http" ? most : Math.min(most, limits.proxyEnvelopeBytes),
  };
}

/** A body over the cap, declared or counted, is `exceeded_cap`: the same word for both directions. */
export function tooLong(most: number): ProxyRefused {
  return new ProxyRefused("exceeded_cap", `The body has more than the ${most} bytes of the policy`);
}

function narrowest(given: ProxyResponseMode, asked: string | undefined) {
  if (asked === undefined) return { mode: given, modeClamped: false };
  const wanted = proxyResponseModes.find((mode) => mode === asked);
  if (wanted === undefined) {
    const known = proxyResponseModes.join(", ");
    throw new ProxyRefused("bad_request", `The mode ${quote(asked)} is not one of ${known}`);
  }
  const modeClamped = proxyResponseModes.indexOf(wanted) > proxyResponseModes.indexOf(given);
  return { mode: modeClamped ? given : wanted, modeClamped };
}
