import type { WholeProxyEndpoint } from "../contract/proxy-endpoint.ts";
import { isBelow } from "./proxy-path.ts";

/**
 * Where a redirect leads for a client of plain HTTP: one from the upstream to itself leads to the endpoint again, where
 * it is a call of its own, with its own check and its own place in the budget. Any other stays as it is, and the client
 * that follows it goes there without the credential (H08). `sent` is the path of the request.
 */
export function locationFor(
  { name, baseUrl }: Pick<WholeProxyEndpoint, "name" | "baseUrl">,
  sent: string,
  location: string,
): string {
  const base = new URL(baseUrl);
  const target = URL.parse(location, base.origin + sent);
  const below = base.pathname.replace(/\/+$/, "");
  const isOwn = target?.origin === base.origin && target.username === "" && target.password === "";
  if (target === null || !isOwn || !isBelow(target.pathname, below)) return location;
  const path = target.pathname.slice(below.length) || "/";
  return `http://${name}.proxy${path}${target.search}${target.hash}`;
}
