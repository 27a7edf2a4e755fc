/**
 * Policy: may it? Pure functions: no clock, no disk, no await. The corridor asks once per call, at dispatch, and writes
 * the answer with its rule into the journal (I5).
 */
import type { Capability } from "../contract/agent.ts";

/** The power that one call needs. A `name` of null: some of it, whatever its scopes. */
export type Need =
  | { type: "ReadAccess"; name: string | null }
  | { type: "WriteAccess"; name: string | null }
  | {
      type: "CodeExecution";
      command: string;
      /** `none`: the call wants no way out, whatever the agent has. */
      network: "granted" | "none";
      /** It installs packages, which cannot be done without a way out. */
      installs: boolean;
    };

export interface Decision {
  decision: "allow" | "deny";
  /** The rule that said so, in words that a person can act on. */
  rule: string;
  /** What the call may reach; empty when it has no way out. */
  hosts: string[];
  /** What the agent can do about a denial, when there is something better than doing without. */
  repairHint?: string;
}

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

/** First capability that covers the need wins; none means deny. */
export function decide(need: Need, capabilities: readonly Capability[]): Decision {
  const hosts = hostsFor(need, capabilities);
  if (need.type === "CodeExecution" && need.installs && hosts.length === 0) {
    return {
      decision: "deny",
      rule: "Packages are installed over the network, and this call has no NetworkAccess",
      hosts: [],
      repairHint:
        "Let packager.default build an artifact with the packages as a layer, and run that; or run without dependencies",
    };
  }
  const subject = need.type === "CodeExecution" ? need.command : need.name;
  for (const capability of capabilities) {
    if (capability.type === "NetworkAccess" || capability.type !== need.type) continue;
    const rules = capability.type === "CodeExecution" ? capability.patterns : capability.scopes;
    const rule = rules.find((candidate) => subject === null || covers(candidate, subject));
    if (rule === undefined) continue;
    return { decision: "allow", rule: ruleOf(capability.type, rule, hosts), hosts };
  }
  const declared = capabilities.some((capability) => capability.type === need.type);
  const rule = declared
    ? `No scope of the agent's ${need.type} covers ${JSON.stringify(subject)}`
    : `The agent does not have the capability ${need.type}`;
  return { decision: "deny", rule, hosts: [] };
}

/** What a call may reach: what the agent was granted, when it runs code and does not refuse it. */
function hostsFor(need: Need, capabilities: readonly Capability[]): string[] {
  return need.type === "CodeExecution" && need.network !== "none" ? grantedHosts(capabilities) : [];
}

/** The hosts of every `NetworkAccess` of an agent. */
export function grantedHosts(capabilities: readonly Capability[]): string[] {
  const hosts = capabilities.flatMap((one) => (one.type === "NetworkAccess" ? one.hosts : []));
  return [...new Set(hosts)];
}

function ruleOf(type: string, rule: string, hosts: readonly string[]): string {
  if (hosts.length === 0) return `${type} ${rule}`;
  const shown = hosts.includes("*") ? "* (any public host)" : hosts.join(" ");
  return `${type} ${rule}; NetworkAccess ${shown}`;
}

/** `*` and `self.*` cover everything of the run's own tree, `prefix*` what starts so, anything else only itself. */
function covers(rule: string, subject: string): boolean {
  if (rule === "*" || rule === "self.*") return true;
  if (rule.endsWith("*")) return subject.startsWith(rule.slice(0, -1));
  return rule === subject;
}
