/** Agents for tests of workflows: their manifests as they are installed, each played by the script of its own name. */
import type { Capability } from "../../src/contract/agent.ts";
import { call, type Reachable } from "./airlock-api.ts";

export interface TestAgent {
  id: string;
  capabilities: Capability[];
  /** The script that plays it. Default: the part of its id before the dot. */
  script?: string;
  /** Further members of the manifest. */
  more?: Record<string, unknown>;
}

/** What a planner of these tests has: it may give tasks and look, and nothing else. */
export const plannerPower: Capability[] = [
  { type: "AgentSpawn", max_children: 10 },
  { type: "ReadAccess", scopes: ["self.*"] },
];

export const coderPower: Capability[] = [
  { type: "CodeExecution", patterns: ["*"] },
  { type: "ReadAccess", scopes: ["self.*"] },
  { type: "WriteAccess", scopes: ["self.*"] },
];

export function skillOf({ id, capabilities, script, more = {} }: TestAgent): string {
  const manifest = {
    version: "1.0",
    agent: { id, name: id, description: `Plays ${id} in a test` },
    llm_config: { provider: "scripted", model: script ?? id.split(".")[0] },
    capabilities,
    ...more,
  };
  // JSON is YAML.
  return `---\n${JSON.stringify(manifest)}\n---\nYou play ${id} in a test.\n`;
}

export async function installAgents(gateway: Reachable, agents: readonly TestAgent[]) {
  for (const agent of agents) {
    const files = [{ path: "SKILL.md", content: skillOf(agent) }];
    const { status, body } = await call(gateway, "POST", "/api/agents", { files });
    if (status !== 201 && status !== 200) throw new Error(JSON.stringify(body));
  }
}
