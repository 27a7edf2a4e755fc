import type { RunSnapshot } from "../contract/submission.ts";
import { builtInCapabilities, type Power } from "../policy/policy.ts";

/**
 * What the agent of a run may do: its own capabilities, within the grant of the run tree (I13). A run that was given no
 * grant has the power of its own agent and no more.
 */
export function powerOf({ agent, grant }: RunSnapshot): Power {
  return {
    capabilities: agent?.capabilities ?? builtInCapabilities,
    remoteAccess: agent?.remote_access,
    grants: grant === undefined ? [] : [grant],
  };
}
