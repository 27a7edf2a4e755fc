/**
 * Egress: where secrets live. Values are sealed at rest, opened only to be spent, and cut out of whatever is about to be
 * written down.
 *
 * I6 Secret values live in one module and are spent in one place: not in argv, the environment of children, journal,
 *    blob, log, error or prompt. Redaction happens before the append.
 */

export { allowList } from "./allow-list.ts";
export {
  type BuildNetwork,
  type BuildNetworkOptions,
  type EgressAllowed,
  type EgressDenied,
  openBuildNetwork,
} from "./build-network.ts";
export { networkEnvironment } from "./network-environment.ts";
export { type PackageConfiguration, packageConfiguration } from "./package-configuration.ts";
export { packageHosts } from "./package-hosts.ts";
export { packageProbes } from "./package-probes.ts";
export { containsSecret, type Redactor, redactor, type SecretSearch } from "./redact.ts";
export { secretShapes } from "./secret-shapes.ts";
export { openVault, type Vault, VaultError, type VaultOptions } from "./vault.ts";
