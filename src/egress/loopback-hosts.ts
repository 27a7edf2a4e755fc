import type { PackageFindings } from "./package-findings.ts";

/** Below, a sandbox may not listen. */
const firstPort = 1024;

/**
 * The hosts of a configuration that are this machine's own loopback, with their ports: a client asks no proxy for these,
 * so the relay has them at the same place inside. One for each place; a name of it goes before a number of it.
 */
export function loopbackHosts(hosts: readonly string[], findings: PackageFindings): string[] {
  const places = new Map<string, string>();
  const names = hosts.filter((host) => host.startsWith("localhost"));
  for (const host of new Set([...names, ...hosts])) {
    const [, name = "", port = ""] =
      /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::(\d+))?$/.exec(host) ?? [];
    if (name === "") continue;
    const place = `${name === "localhost" ? "127.0.0.1" : name}:${port}`;
    if (Number(port) < firstPort) {
      findings.note(`${host} is this machine itself, and can be had inside from port 1024 on only`);
    } else if (!places.has(place)) places.set(place, host);
  }
  return [...places.values()];
}
