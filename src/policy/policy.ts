/**
 * Policy: may it? Pure functions: no clock, no disk, no await. The corridor asks once per call, at dispatch, and writes
 * the answer with its rule into the journal (I5).
 */
import type { Capability } from "../contract/agent.ts";
import type { Need } from "./need.ts";

export { decide } from "./decide.ts";
export { explain } from "./explain.ts";
export type { Decision, Need, Power } from "./need.ts";
export { mayCallSome } from "./remote-tools.ts";
export { prefixCovers } from "./scopes.ts";

/** What the built-in agent of a plain prompt run may do: code in the sandbox and its own content. No network. */
export const builtInCapabilities: Capability[] = [
  { type: "ReadAccess", scopes: ["self.*"] },
  { type: "WriteAccess", scopes: ["self.*"] },
  { type: "CodeExecution", patterns: ["*"] },
];

/** Whether an agent with these capabilities can ever be allowed a need of this type: decides which tools it is shown. */
export function hasCapability(capabilities: readonly Capability[], type: Need["type"]): boolean {
  return capabilities.some((capability) => capability.type === type);
}

/** The hosts of every `NetworkAccess` of an agent. */
export function grantedHosts(capabilities: readonly Capability[]): string[] {
  const hosts = capabilities.flatMap((one) => (one.type === "NetworkAccess" ? one.hosts : []));
  return [...new Set(hosts)];
}
