import { Problem } from "../contract/problem.ts";
import { hostText, parseTarget, type Target } from "./host-name.ts";
import { isPublicHost, upstreamList } from "./upstream-list.ts";

/**
 * Checks at submission what would be refused at every connection (H10, H11): an upstream's URL is https to a host of
 * the public internet, or http or https to one that the operator lists with its port. `field` is its path in the request.
 * Nothing is resolved: a name is checked by its addresses when it is connected to. Throws `invalid_request`.
 */
export function checkUpstreamUrl(
  field: string,
  url: string,
  privateHosts: readonly string[],
): void {
  const found = parseUpstreamUrl(url);
  if (typeof found === "string") throw wrong(field, url, found);
  const { target, secure } = found;
  const isListed = upstreamList(privateHosts).allowsPrivate(target, target.host.text);
  if (isListed) return;
  if (!isPublicHost(target.host)) {
    const what = target.host.kind === "name" ? "a name" : "an address";
    throw wrong(
      field,
      url,
      `${hostText(target)} is ${what} that is not of the public internet; expected a public host, or one that the operator lists in AIRLOCK_PRIVATE_HOSTS`,
    );
  }
  if (!secure) {
    throw wrong(
      field,
      url,
      `expected https, which only a host that the operator lists in AIRLOCK_PRIVATE_HOSTS may do without`,
    );
  }
}

/** The target that a URL plainly names, or what is wrong with it. */
function parseUpstreamUrl(url: string): { target: Target; secure: boolean } | string {
  const [, scheme = "", authority = ""] = /^(https?):\/\/([^/?#\\]+)/i.exec(url) ?? [];
  if (authority === "" || !URL.canParse(url)) return "expected https://host[:port][/path]";
  // URL drops some of these and turns others around, so a person and it would read different hosts.
  if (/[\0-\x20\x7f\\]/.test(url)) return "expected no white space, control or backslash";
  if (authority.includes("@")) return "expected no user information";
  const secure = scheme.toLowerCase() === "https";
  const fallback = secure ? 443 : 80;
  const target = parseTarget(authority, fallback);
  // What is dialled is what URL reads, and it forgives much: both must mean the same host, or one of them was misled.
  const read = parseTarget(new URL(url).host, fallback);
  const isSame = read?.host.text === target?.host.text && read?.port === target?.port;
  if (target === undefined || !isSame) return "expected the plain name or address of a host";
  return { target, secure };
}

/** Quotes scheme and host alone: in what is before and behind them people put credentials. */
function wrong(field: string, url: string, wanted: string): Problem {
  const shown = URL.canParse(url) ? originOf(new URL(url)) : undefined;
  const quoted = shown === undefined ? "" : ` ${JSON.stringify(shown)}:`;
  return new Problem("invalid_request", `${field}:${quoted} ${wanted}`, {
    fields: [{ path: field, message: wanted, ...(shown === undefined ? {} : { received: shown }) }],
  });
}

function originOf({ protocol, host }: URL): string {
  return `${protocol}//${host}`.slice(0, 300);
}
