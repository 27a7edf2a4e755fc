import { packageConfiguration } from "./package-configuration.ts";
import type { PackageSource } from "./package-findings.ts";

/**
 * Every certificate authority that this machine trusts, as PEM: the distribution's, and those that its environment and its
 * package clients name. Proxied calls trust the same as builds do, so that an internal API behind a company's own
 * authority is reached by both.
 */
export function machineAuthorities(
  options: Partial<PackageSource> & Pick<PackageSource, "env">,
): string[] {
  const { files } = packageConfiguration(options);
  return files.filter(({ path }) => path === "ca-bundle.crt").map(({ data }) => data.toString());
}
