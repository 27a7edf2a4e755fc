import { type ProxyMethod, proxyMethods } from "../contract/proxy-endpoint.ts";
import { ProxyRefused, quote } from "./proxy-refused.ts";

/**
 * The method, if it is exactly one that the policy lists (H03): upper case, with nothing around it, because an upstream
 * might take `get` for another method than the rule meant. Throws `policy_denied`.
 */
export function methodToSend(
  policy: { allowMethods: readonly ProxyMethod[] },
  method: string,
): ProxyMethod {
  const known = policy.allowMethods.find((each) => each === method);
  if (known !== undefined) return known;
  const list = policy.allowMethods.join(" ");
  throw new ProxyRefused(
    "policy_denied",
    `The method ${quote(method)} is not one that the endpoint allows: ${list}`,
  );
}

/** How the protocol's header names a method: `get` is `GET` there. What is no method of ours stays as it is. */
export function spelledMethod(text: string): string {
  const upper = text.toUpperCase();
  return /^[a-z]+$/i.test(text) && (proxyMethods as readonly string[]).includes(upper)
    ? upper
    : text;
}
