import type { Capability, InlineAgent } from "../contract/agent.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import { builtInCapabilities, type Power } from "../policy/policy.ts";

interface Submitted {
  agent?: Pick<InlineAgent, "capabilities" | "remote_access"> | undefined;
  grant?: RunSnapshot["grant"] | undefined;
}

/**
 * What the agent of a run may do: its own capabilities, within the grant of the run tree and the operator's
 * (I13). A run that was given no grant has the power of its own agent and no more.
 */
export function powerOf(
  { agent, grant }: Submitted,
  operator: readonly Capability[] | undefined,
): Power {
  return {
    capabilities: agent?.capabilities ?? builtInCapabilities,
    remoteAccess: agent?.remote_access,
    grants: [grant, operator].filter((one) => one !== undefined),
  };
}
