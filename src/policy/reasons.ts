import type { Capability } from "../contract/agent.ts";
import type { DecisionReason } from "../contract/explanation.ts";

/** The stable names of what stands against a call. */
export type RuleName =
  | "capability_missing"
  | "scope_missing"
  | "grant_missing"
  | "limit_exceeded"
  | "pattern_missing"
  | "forbidden_destructive"
  | "forbidden_privilege"
  | "forbidden_environment"
  | "opaque_command"
  | "network_uncovered"
  | "network_hidden"
  | "packages_uncovered"
  | "not_preapproved"
  | "secret_not_declared"
  | "secret_in_environment";

/** A reason; what is left out is not known or does not apply. */
export function reason(
  rule: RuleName,
  message: string,
  more: {
    token?: string;
    offset?: number;
    change?: string;
    capability?: Capability;
  } = {},
): DecisionReason {
  const { token = null, offset = null, change = null, capability = null } = more;
  return { rule, message, token, offset, narrowest_change: change, capability };
}

/** A text as it is shown in a sentence. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 119)}…` : text);
}
