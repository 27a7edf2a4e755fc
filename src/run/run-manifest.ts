import {
  proxyProtocolVersion,
  type WholeProxyEndpoint,
  wholeProxyEndpoint,
} from "../contract/proxy-endpoint.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { type RunFile, relayPort } from "../sandbox/sandbox.ts";

/** What a run may call, told to its own code. Anybody may read it: it has no secret. */
export interface RunManifest {
  protocolVersion: string;
  runId: string;
  /** Where the protocol is spoken inside; null when there is nothing to call. */
  proxyBaseUrl: string | null;
  /** With every cap as a number. */
  endpoints: readonly WholeProxyEndpoint[];
}

export function runManifest(runId: string, endpoints: readonly WholeProxyEndpoint[]): RunManifest {
  const isEmpty = endpoints.length === 0;
  return {
    protocolVersion: proxyProtocolVersion,
    runId,
    proxyBaseUrl: isEmpty ? null : `http://127.0.0.1:${relayPort}/api/runs/${runId}/proxy`,
    endpoints,
  };
}

/**
 * What the run's sandboxes show at `/airlock`: the manifest, the token with which its code calls endpoints, and the canary
 * in a file that looks worth stealing. An empty secret, of a run that has none or whose own cannot be opened, has no file.
 */
export function runFiles(
  runId: string,
  snapshot: Pick<RunSnapshot, "proxyEndpoints">,
  { runToken, canary }: { runToken: string; canary: string },
): RunFile[] {
  const file = (name: string, text: string) => ({ name, data: Buffer.from(`${text}\n`) });
  const manifest = runManifest(runId, (snapshot.proxyEndpoints ?? []).map(wholeProxyEndpoint));
  return [
    file("index.json", JSON.stringify(manifest, undefined, 2)),
    ...(runToken === "" ? [] : [file("run-token", runToken)]),
    ...(canary === "" ? [] : [file(".credentials", `[default]\napi_key = ${canary}`)]),
  ];
}
