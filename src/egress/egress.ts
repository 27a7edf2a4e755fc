/**
 * Egress: where secrets live. Values are sealed at rest, opened only to be spent, and cut out of whatever is about to be
 * written down.
 *
 * I6 Secret values live in one module and are spent in one place: not in argv, the environment of children, journal,
 *    blob, log, error or prompt. Redaction happens before the append.
 */

export { allowList } from "./allow-list.ts";
export { type AptConfiguration, aptConfiguration } from "./apt-settings.ts";
export { type BearerFetch, CredentialUnfit, openBearerFetch } from "./bearer-fetch.ts";
export {
  type BuildNetwork,
  type BuildNetworkOptions,
  type EgressAllowed,
  type EgressDenied,
  openBuildNetwork,
} from "./build-network.ts";
export { checkUpstreamUrl } from "./check-url.ts";
export { type Encoding, encodings } from "./encodings.ts";
export { guardedFetch } from "./guarded-fetch.ts";
export { type KnownSecrets, openKnownSecrets } from "./known-secrets.ts";
export { machineAuthorities } from "./machine-authorities.ts";
export { networkEnvironment } from "./network-environment.ts";
export { openProxy } from "./open-proxy.ts";
export { type PackageConfiguration, packageConfiguration } from "./package-configuration.ts";
export { packageHosts } from "./package-hosts.ts";
export { packageProbes } from "./package-probes.ts";
export type {
  ProxyAnswer,
  ProxyBooks,
  ProxyOptions,
  ProxyRequest,
  ProxyUse,
  RunProxy,
} from "./proxy.ts";
export { ProxyCut } from "./proxy-cut.ts";
export type { ProxyDoors } from "./proxy-doors.ts";
export {
  answerProtocol,
  type ProtocolAnswer,
  type ProtocolRequest,
  protocolError,
} from "./proxy-protocol.ts";
export {
  type Canary,
  containsSecret,
  openMask,
  type Redactor,
  redactor,
  type SecretMask,
  type SecretSearch,
} from "./redact.ts";
export type { RedactStream } from "./redact-stream.ts";
export { secretShapes } from "./secret-shapes.ts";
export { openSecrets, type Secrets, type SecretsOptions } from "./secrets.ts";
export type { Upstream, UpstreamRequest } from "./upstream-pool.ts";
export { type UpstreamReason, UpstreamRefused } from "./upstream-refused.ts";
export {
  openUpstreams,
  type Upstreams,
  type UpstreamsOptions,
} from "./upstreams.ts";
export { type KeyedVault, openVault, type Vault, VaultError, type VaultOptions } from "./vault.ts";
