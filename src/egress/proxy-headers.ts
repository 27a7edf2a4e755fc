import { limits } from "../base/limits.ts";
import {
  authCarrier,
  type ProxyAuthShape,
  refusedCallerHeaders,
} from "../contract/proxy-endpoint.ts";
import { ProxyRefused, quote } from "./proxy-refused.ts";

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** What an upstream reads when the caller has not said who it is; some refuse requests that have none. */
export const proxyUserAgent = "airlock-proxy/1.0";

/** These always pass: they describe the body, or ask for a part or a form of the answer. */
const alwaysPassed: ReadonlySet<string> = new Set([
  ...["accept", "accept-language", "content-type", "content-encoding", "user-agent", "range"],
  ...["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"],
]);

/** These never pass, not even when a policy lists them: identity, framing, and what turns a call into another one. */
const neverPassed: ReadonlySet<string> = new Set([
  ...refusedCallerHeaders,
  ...["x-api-key", "keep-alive", "te", "trailer", "proxy-authenticate", "proxy-connection"],
  ...["forwarded", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server", "x-host"],
  ...["accept-encoding", "http2-settings", "x-original-url", "x-original-host", "x-rewrite-url"],
  ...["x-http-method-override", "x-method-override", "x-http-method"],
]);

/** Two of one of these would leave the choice to the upstream. */
const single: ReadonlySet<string> = new Set([
  ...["content-type", "user-agent", "range", "if-range", "if-modified-since"],
  "if-unmodified-since",
]);

/**
 * The headers of a caller that go on, lower-case: `accept`, `accept-language`, `content-type`, `content-encoding`,
 * `user-agent`, `range` and `if-*`, and those that the policy allows beside them. All others are left out (H07),
 * those named in `Connection` too. Throws `bad_request` for names and values that are none (H06), and for too many.
 */
export function headersToSend(
  policy: { authShape: ProxyAuthShape; allowHeaders: readonly string[] },
  headers: HeaderList,
): [name: string, value: string][] {
  checkHeaders(headers);
  const local = new Set(
    headers
      .filter(([name]) => name.toLowerCase() === "connection")
      .flatMap(([, value]) => value.toLowerCase().split(","))
      .map((name) => name.trim()),
  );
  const carrier = authCarrier(policy.authShape);
  const allowed = new Set([...alwaysPassed, ...policy.allowHeaders]);
  const sent: [string, string][] = [];
  const seen = new Set<string>();
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    // An underscore is read as a dash by gateways that turn headers into variables.
    const meant = name.replaceAll("_", "-");
    if (!allowed.has(name) || local.has(name) || neverPassed.has(meant)) continue;
    if (meant === carrier?.replaceAll("_", "-")) continue;
    if (seen.has(name) && single.has(name)) {
      throw new ProxyRefused("bad_request", `The header ${quote(name)} was given twice`);
    }
    seen.add(name);
    sent.push([name, value]);
  }
  if (!seen.has("user-agent")) sent.push(["user-agent", proxyUserAgent]);
  return sent;
}

/** Names are tokens; values hold no control character but the tab, so that no second header hides in one. */
function checkHeaders(headers: HeaderList): void {
  if (headers.length > limits.proxyHeaders) {
    throw new ProxyRefused("bad_request", `There are more than ${limits.proxyHeaders} headers`);
  }
  let bytes = 0;
  for (const [name, value] of headers) {
    bytes += name.length + value.length;
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(name)) {
      throw new ProxyRefused("bad_request", `${quote(name)} is not the name of a header`);
    }
    if (!isHeaderValue(value)) {
      throw new ProxyRefused(
        "bad_request",
        `The header ${quote(name)} has a value with control characters or beyond Latin-1`,
      );
    }
  }
  if (bytes > limits.egressHeadBytes) {
    throw new ProxyRefused(
      "bad_request",
      `The headers have more than ${limits.egressHeadBytes} bytes`,
    );
  }
}

/** Whether a text can be sent as the value of a header and is one line there. */
export function isHeaderValue(value: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
}
