import { limits } from "../base/limits.ts";
import { ProxyRefused, quote } from "./proxy-refused.ts";

/**
 * The path to send, with that of `baseUrl` before it, if the policy lets it through: byte for byte what was checked (H01).
 * It is never decoded, repaired or normalised, because an upstream may do that in another way; what could be read in
 * two ways is refused. Throws `bad_request` for what is no path, `policy_denied` for what leads elsewhere.
 */
export function pathToSend(
  policy: { baseUrl: string; allowPathPrefixes: readonly string[] },
  path: string,
): string {
  checkSpelling(path);
  checkTraversal(path);
  if (!policy.allowPathPrefixes.some((prefix) => isBelow(path, prefix))) {
    const known = policy.allowPathPrefixes.slice(0, 8).join(" ");
    throw denied(path, `is not below a path that the endpoint allows: ${known}`);
  }
  const base = new URL(policy.baseUrl);
  const sent = base.pathname.replace(/\/+$/, "") + path;
  // Had parsing changed anything, then what was checked would not be what an upstream's parser makes of it.
  const parsed = URL.parse(base.origin + sent);
  if (parsed?.origin !== base.origin || parsed.pathname !== sent || parsed.hash !== "") {
    throw malformed(path, "must have its special characters percent-encoded");
  }
  return sent;
}

/** A prefix that ends in `/` is all that is below it; any other is itself, and below it what follows a `/` (H02). */
export function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return prefix.endsWith("/") || path.length === prefix.length || path[prefix.length] === "/";
}

function checkSpelling(path: string): void {
  if (path.length > limits.proxyPathBytes) {
    throw malformed(path, `has more than ${limits.proxyPathBytes} bytes`);
  }
  if (!path.startsWith("/")) throw malformed(path, "must start with /");
  if (/[?#]/.test(path)) throw malformed(path, "must not contain ? or #: give the query apart");
  if (!/^[\x21-\x7e]*$/.test(path)) {
    throw malformed(path, "must be printable ASCII: percent-encode everything else");
  }
  if (/%(?![0-9a-f]{2})/i.test(path)) throw malformed(path, "has a % that encodes nothing");
}

function checkTraversal(path: string): void {
  if (path.includes("\\") || path.includes("//")) {
    throw denied(path, "must not contain a backslash or an empty segment");
  }
  if (/%(2e|2f|5c|00)/i.test(path)) {
    throw denied(path, "must not contain an encoded ., /, \\ or NUL");
  }
  const decoded = decodeOnce(path);
  if (/%[0-9a-f]{2}/i.test(decoded)) throw denied(path, "is percent-encoded twice");
  if (/[\x00-\x1f\x7f]/.test(decoded)) throw denied(path, "must not encode control characters");
  // Some servers fold full-width letters to ASCII, drop spaces at the end of a name, or cut it at a semicolon.
  const segments = decoded.normalize("NFKC").split(/[/\\]/);
  if (segments.some((segment) => /^\.{1,2}$/.test((segment.split(";")[0] ?? "").trim()))) {
    throw denied(path, "must not contain . or .. segments");
  }
}

/** Bytes that are no UTF-8 are refused: overlong forms of `.` and `/` are read by some servers as what they imitate. */
function decodeOnce(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw malformed(path, "must encode UTF-8");
  }
}

function denied(path: string, why: string): ProxyRefused {
  return new ProxyRefused("policy_denied", `The path ${quote(path)} ${why}`);
}

function malformed(path: string, why: string): ProxyRefused {
  return new ProxyRefused("bad_request", `The path ${quote(path)} ${why}`);
}
