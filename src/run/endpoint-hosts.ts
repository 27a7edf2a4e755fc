import type { RunSnapshot } from "../contract/submission.ts";

/** Where commands find the endpoint NAME: `http://NAME.proxy/`. */
const endpointDomain = ".proxy";

/**
 * The proxy endpoints of a run as commands reach them, host:port. None of them is ever resolved or dialled: the run's own way
 * out answers for them.
 */
export function endpointHosts(endpoints: RunSnapshot["proxyEndpoints"] = []): string[] {
  return endpoints.map(({ name }) => `${name}${endpointDomain}:80`);
}

/** The hosts that are left to be reached themselves. */
export function withoutEndpoints(
  hosts: readonly string[],
  endpoints: RunSnapshot["proxyEndpoints"],
): string[] {
  const own = new Set(endpointHosts(endpoints));
  return hosts.filter((host) => !own.has(host));
}
