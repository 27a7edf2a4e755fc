import type { ToolSet } from "ai";
import type { ProviderSkill } from "./model.ts";

/** The name of the provider's own tool: no tool of ours has it. */
const codeExecution = "code_execution";

/**
 * What Anthropic needs for its skills beside their names: they are used by code that it runs itself, far from our sandbox
 * and without its network. What it runs there comes back as its own and never as a call of ours.
 */
export async function skillTools(): Promise<ToolSet> {
  const { anthropic } = await import("@ai-sdk/anthropic");
  return { [codeExecution]: anthropic.tools.codeExecution_20250825() };
}

/** The skills in the words of Anthropic's package, which adds the headers that ask for them. */
export function skillContainer(skills: readonly ProviderSkill[], id: string | undefined) {
  return {
    ...(id === undefined ? {} : { id }),
    skills: skills.map(({ vendor, skillId, version }) => {
      const of = version === undefined ? {} : { version };
      return vendor === "anthropic"
        ? { type: "anthropic" as const, skillId, ...of }
        : { type: "custom" as const, providerReference: { anthropic: skillId }, ...of };
    }),
  };
}
