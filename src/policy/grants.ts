import type { Capability } from "../contract/agent.ts";
import type { Power } from "./need.ts";

/** One list of capabilities that a call must be allowed by. */
export interface Bound {
  capabilities: readonly Capability[];
  /** `agent`: its own; `grant`: what bounds the agent from above (I13). */
  kind: "agent" | "grant";
}

/** Every list that has to allow a call: the agent's own, and each grant above it. */
export function boundsOf({ capabilities, grants = [] }: Power): Bound[] {
  const own: Bound = { capabilities, kind: "agent" };
  return [own, ...grants.map((grant) => ({ capabilities: grant, kind: "grant" as const }))];
}

/** Whose list it is, as a sentence begins. */
export const owner = ({ kind }: Bound) =>
  kind === "agent" ? "The agent" : "The grant of the run tree";

/** The capabilities of one type in a list. */
export function ofType<Type extends Capability["type"]>(
  capabilities: readonly Capability[],
  type: Type,
): Extract<Capability, { type: Type }>[] {
  return capabilities.filter(
    (one): one is Extract<Capability, { type: Type }> => one.type === type,
  );
}
