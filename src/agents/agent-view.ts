import type { Agent } from "../contract/installed-agent.ts";
import type { AgentRevision } from "./agents.ts";

/** An agent as the API shows it. */
export function agentOf(found: AgentRevision): Agent {
  const { manifest, origin, revision, number, createdAt, createdBy } = found;
  const { id, name, description } = manifest.agent;
  const config = manifest.llm_config;
  return {
    id,
    name: name ?? id,
    description: description ?? "",
    ...{ origin, revision, number },
    execution_mode: manifest.execution_mode ?? "reasoning",
    model: config === undefined ? null : `${config.provider}/${config.model}`,
    ...{ manifest, createdAt, createdBy },
  };
}
