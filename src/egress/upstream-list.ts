import { isPublicAddress } from "./address.ts";
import { type AllowList, allowList } from "./allow-list.ts";
import { type Host, hostText } from "./host-name.ts";

/**
 * What may be an upstream: any public host, and whatever the operator lists. Nothing is resolved here, so a host that
 * is refused costs no DNS query (H23). Throws `invalid_request` for a `privateHosts` entry that is no host or CIDR.
 */
export function upstreamList(privateHosts: readonly string[]): AllowList {
  allowList([], privateHosts);
  const allowsPrivate: AllowList["allowsPrivate"] = (target, address) =>
    allowList([`${hostText(target)}:${target.port}`], privateHosts).allowsPrivate(target, address);
  return {
    allows: (target) => isPublicHost(target.host) || allowsPrivate(target, target.host.text),
    allowsPrivate,
    anyHost: true,
  };
}

/** Whether a host could be of the public internet, by its name or address alone. */
export function isPublicHost(host: Host): boolean {
  if (host.kind !== "name") return isPublicAddress(host.text);
  return host.text.includes(".") && !localDomain.test(host.text);
}

/**
 * Domains that no public DNS has (RFC 6761, 6762 and its appendix G, 8375, ICANN on `internal`). Behind an upstream
 * proxy nobody here sees their addresses, and a cloud's metadata have such names.
 */
const localDomain =
  /(^|\.)(localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa|onion)$/;
