/**
 * Policy: may it? Pure functions: no clock, no disk, no await. The corridor asks once per call, at dispatch, and writes
 * the answer with its rule into the journal (I5).
 */
import type { Capability } from "../contract/agent.ts";

/** The power that one call needs. */
export type Need =
  | { type: "ReadAccess"; name: string }
  | { type: "WriteAccess"; name: string }
  | { type: "CodeExecution"; command: string };

export interface Decision {
  decision: "allow" | "deny";
  /** The rule that said so, in words that a person can act on. */
  rule: string;
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
  for (const capability of capabilities) {
    if (capability.type !== need.type) continue;
    const rules = capability.type === "CodeExecution" ? capability.patterns : capability.scopes;
    const subject = need.type === "CodeExecution" ? need.command : need.name;
    const rule = rules.find((candidate) => covers(candidate, subject));
    if (rule !== undefined) return { decision: "allow", rule: `${capability.type} ${rule}` };
  }
  const declared = capabilities.filter((capability) => capability.type === need.type);
  return {
    decision: "deny",
    rule:
      declared.length === 0
        ? `The agent does not have the capability ${need.type}`
        : `No scope of the agent's ${need.type} covers ${JSON.stringify(need.type === "CodeExecution" ? need.command : need.name)}`,
  };
}

/** `*` and `self.*` cover everything of the run's own tree, `prefix*` what starts so, anything else only itself. */
function covers(rule: string, subject: string): boolean {
  if (rule === "*" || rule === "self.*") return true;
  if (rule.endsWith("*")) return subject.startsWith(rule.slice(0, -1));
  return rule === subject;
}
