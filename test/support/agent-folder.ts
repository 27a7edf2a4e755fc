import type { InputSource } from "../../src/sdk/sdk.ts";

export interface SampleAgent {
  id: string;
  /** Lines of YAML below the manifest's top level. */
  more?: string;
  model?: string;
  instructions?: string;
  capabilities?: string;
}

/** A small SKILL.md that is in order. */
export function skillOf(agent: SampleAgent): string {
  const { id, more = "", model = "anthropic/claude-sonnet-4-5", instructions = "Do it." } = agent;
  const [provider, ...name] = model.split("/");
  const capabilities = agent.capabilities ?? "- {type: ReadAccess, scopes: [self.*]}";
  return `---
version: "1.0"
agent:
  id: ${id}
  name: ${id}
  description: An agent of a test
llm_config:
  provider: ${provider}
  model: ${name.join("/")}
capabilities:
  ${capabilities}
${more}---
${instructions}
`;
}

/** The files of an agent, as the client takes them. */
export function folderOf(agent: SampleAgent, files: InputSource[] = []): { files: InputSource[] } {
  return { files: [{ path: "SKILL.md", content: skillOf(agent) }, ...files] };
}
