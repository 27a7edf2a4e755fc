import type { RunSecrets, RunSnapshot } from "../contract/submission.ts";
import { checkUpstreamUrl } from "../egress/egress.ts";
import { providersOf } from "./run-secrets.ts";

/**
 * Refuses a run that names an upstream which the gateway would not connect to, for its proxy endpoints and its own
 * addresses of providers alike. Throws `invalid_request` with the field.
 */
export function checkUpstreams(
  submission: {
    proxyEndpoints?: RunSnapshot["proxyEndpoints"];
    secrets?: RunSecrets | undefined;
  },
  privateHosts: readonly string[],
): void {
  for (const [index, { baseUrl }] of (submission.proxyEndpoints ?? []).entries()) {
    checkUpstreamUrl(`proxyEndpoints.${index}.baseUrl`, baseUrl, privateHosts);
  }
  for (const provider of providersOf(submission.secrets)) {
    const baseUrl = submission.secrets?.[provider]?.baseUrl;
    if (baseUrl === undefined) continue;
    checkUpstreamUrl(`secrets.${provider}.baseUrl`, baseUrl, privateHosts);
  }
}
