import type { ProxyAuthShape, ProxyAuthValue } from "../contract/proxy-endpoint.ts";
import { isHeaderValue } from "./proxy-headers.ts";
import { withParameter } from "./proxy-query.ts";
import { ProxyRefused } from "./proxy-refused.ts";

export interface Spendable {
  query: string;
  headers: readonly (readonly [name: string, value: string])[];
}

/**
 * Puts the credential where the policy's shape has it, after everything of the caller's was stripped, so that it is there
 * once and is ours (H07). This is the place where it is spent (I6). Throws `internal_error` for a credential that is not
 * there, is of another shape, or cannot be sent.
 */
export function spendCredential(
  shape: ProxyAuthShape,
  credential: ProxyAuthValue | { type: "none" } | undefined,
  call: Spendable,
): Spendable {
  if (credential === undefined || credential.type !== shape.type) {
    throw unusable(
      "is not there any more, cannot be opened or is of another type: set its secret again",
    );
  }
  const header = (name: string, value: string): Spendable => {
    if (!isHeaderValue(value))
      throw unusable("cannot be sent as a header: it has a line break or what is not Latin-1");
    return { ...call, headers: [...call.headers, [name, value]] };
  };
  switch (credential.type) {
    case "none":
      return call;
    case "bearer":
      return header("authorization", `Bearer ${credential.token}`);
    case "basic": {
      const pair = Buffer.from(`${credential.username}:${credential.password}`);
      return header("authorization", `Basic ${pair.toString("base64")}`);
    }
    case "header":
      return header(shape.type === "header" ? shape.name.toLowerCase() : "", credential.value);
    case "query": {
      const name = shape.type === "query" ? shape.name : "";
      return { ...call, query: withParameter(call.query, name, credential.value) };
    }
  }
}

function unusable(why: string): ProxyRefused {
  return new ProxyRefused("internal_error", `The credential of the endpoint ${why}`);
}
