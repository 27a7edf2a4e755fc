import type { Capability, InlineAgent } from "../contract/agent.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { builtInCapabilities, type Power } from "../policy/policy.ts";
import { endpointHosts } from "./endpoint-hosts.ts";
import { ofNetworking } from "./environment.ts";
import { ofSubmission } from "./mcp-servers.ts";

interface Submitted {
  agent?: Pick<InlineAgent, "capabilities" | "remote_access" | "credential_env"> | undefined;
  grant?: RunSnapshot["grant"] | undefined;
  proxyEndpoints?: RunSnapshot["proxyEndpoints"];
  mcpServers?: RunSnapshot["mcpServers"];
  environment?: RunSnapshot["environment"];
}

/**
 * What the agent of a run may do: its own capabilities, within the grant of the run tree and the operator's
 * (I13). A run that was given no grant has the power of its own agent and no more.
 */
export function powerOf(
  { agent, grant, proxyEndpoints, mcpServers, environment }: Submitted,
  operator: readonly Capability[] | undefined,
): Power {
  return {
    capabilities: agent?.capabilities ?? [
      ...[...builtInCapabilities, ...ofSubmission(mcpServers), ...ofNetworking(environment)],
    ],
    remoteAccess: agent?.remote_access,
    endpoints: endpointHosts(proxyEndpoints),
    credentialEnv: agent?.credential_env,
    grants: [grant, operator].filter((one) => one !== undefined),
  };
}
