import { limits } from "../base/limits.ts";
import { ProxyCut } from "./proxy-cut.ts";
import type { Redactor } from "./redact.ts";

type Header = readonly [name: string, value: string];

/** What says what the body is, how long it may be kept, and how to go on. */
const passed = new Set([
  ...["accept-patch", "accept-post", "accept-ranges", "age", "allow", "cache-control"],
  ...["content-disposition", "content-language", "content-location", "content-range"],
  ...["content-type", "date", "deprecation", "etag", "expires", "last-modified", "link"],
  ...["location", "pragma", "preference-applied", "retry-after", "sunset", "vary", "warning"],
  ...["cf-ray", "openai-processing-ms", "openai-model", "openai-organization"],
]);

/** Numbers of requests, versions of an API, and how much of it is left, under whatever name. */
const passedFamily = /^x-|(^|-)request-id$|(^|-)trace-id$|-version$|(^|-)rate-?limit(-|$)/;

/**
 * Spoken to whoever stands between us and the reader, or from there to us: a reverse proxy in front of the gateway would
 * obey `x-accel-redirect`, and `x-airlock-…` would look like a word of ours.
 */
const refusedFamily =
  /^x-(airlock|antpath|accel|sendfile|lighttpd|litespeed|reproxy|forwarded|real-ip|original|rewrite|http-method|xsrf|csrf|amz-security|auth|api-?key|access|session|vault|set-)|cookie|token|secret|password|credential|authorization|authenticate/;

const valid = /^[\t\x20-\x7e\x80-\xff]*$/;
const validName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A limit on rates is told with this word too, and it is no credential. */
const harmless = /(^|-)rate-?limit(-|$)/;

/**
 * The headers of an answer that may be passed on, in lower case and without secrets. Throws `ProxyCut`: `exceeded_cap` for
 * more than anybody sends, `upstream_error` for what no header can hold (H17).
 */
export function answerHeaders(raw: readonly string[], redactor: Redactor): Header[] {
  if (raw.length / 2 > limits.proxyAnswerHeaders) {
    throw new ProxyCut("exceeded_cap", "The upstream's answer has too many headers");
  }
  const headers: Header[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = "", value = ""] = raw.slice(at, at + 2);
    if (!validName.test(name) || !valid.test(value)) {
      throw new ProxyCut("upstream_error", "The upstream's answer has an invalid header");
    }
    const known = name.toLowerCase();
    // A name is not changed, since nobody would know it: with a secret in it, it is left out.
    if (!mayPass(known) || redactor.text(name) !== name || redactor.text(known) !== known) continue;
    headers.push([known, redactLatin1(value, redactor)]);
  }
  return headers;
}

function mayPass(name: string): boolean {
  if (passed.has(name) || harmless.test(name)) return true;
  return passedFamily.test(name) && !refusedFamily.test(name);
}

/** Node gives the bytes of a header as characters; a secret in UTF-8 is only found among the bytes. */
function redactLatin1(value: string, redactor: Redactor): string {
  const stream = redactor.stream();
  const parts = [stream.push(Buffer.from(value, "latin1")), stream.end()];
  return Buffer.concat(parts).toString("latin1");
}
