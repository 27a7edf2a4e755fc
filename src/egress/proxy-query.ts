import { limits } from "../base/limits.ts";
import type { ProxyAuthShape } from "../contract/proxy-endpoint.ts";
import { ProxyRefused } from "./proxy-refused.ts";

/**
 * Checks a query as it came, without the question mark; it is sent on byte for byte. Throws `bad_request` for what cannot
 * be one, and `policy_denied` for a parameter that names another method (H03) or that of the credential. Messages do not
 * quote the query: it may hold what nobody may log (H18).
 */
export function checkQuery(authShape: ProxyAuthShape, query: string): void {
  if (query.length > limits.proxyQueryBytes) {
    throw new ProxyRefused(
      "bad_request",
      `The query has more than ${limits.proxyQueryBytes} bytes`,
    );
  }
  if (!/^[\x21-\x22\x24-\x7e]*$/.test(query)) {
    throw new ProxyRefused(
      "bad_request",
      "The query must be printable ASCII without #: percent-encode everything else",
    );
  }
  if (/%(?![0-9a-f]{2})/i.test(query)) {
    throw new ProxyRefused("bad_request", "The query has a % that encodes nothing");
  }
  const carrier = authShape.type === "query" ? plainName(authShape.name) : undefined;
  for (const parameter of query.split(/[&;]/)) {
    const name = parameterName(parameter.split("=")[0] ?? "");
    if (name === "_method") {
      throw new ProxyRefused("policy_denied", "The query must not name a _method: set the method");
    }
    if (name === carrier) {
      throw new ProxyRefused(
        "policy_denied",
        "The query must not have the parameter that carries the credential: the gateway adds it",
      );
    }
  }
}

/** The query with the credential after everything else. */
export function withParameter(query: string, name: string, value: string): string {
  const added = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
  return query === "" ? added : `${query}&${added}`;
}

/** What a parameter is called by the most forgiving of frameworks, which compares less exactly than we inject. */
function parameterName(raw: string): string {
  let text = raw.replaceAll("+", " ");
  try {
    text = decodeURIComponent(text);
  } catch {
    // Bytes that are no UTF-8 name nothing; its ASCII part can still be meant.
    text = text.replace(/%([0-7][0-9a-f])/gi, (_, hex) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  }
  return plainName(text);
}

/** PHP cuts a name at NUL and at `[`, drops spaces before it, and makes `_` of a dot; others fold the case. */
function plainName(name: string): string {
  return (name.split(/[\0[]/)[0] ?? "").trim().replaceAll(".", "_").toLowerCase();
}
