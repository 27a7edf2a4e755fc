import type { z } from "zod";
import { type AgentLibrary, type AgentRevision, didYouMean } from "../agents/agents.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import { Problem } from "../contract/problem.ts";
import { noModel, type RunAgent, type RunSnapshot } from "../contract/submission.ts";
import type { Models } from "../model/model.ts";
import { agentInput } from "./agent-input.ts";
import { agentModel } from "./agent-model.ts";

/** A run of an installed agent, as somebody asks for it: a person, or an agent that delegates. */
export interface AgentAsk {
  workspaceId: string;
  agent: string;
  /** One of both. */
  message?: string;
  input?: z.core.util.JSONType;
  /** What a model is told after the message. A script is not: its message may be JSON, and it is told beside it. */
  about?: string;
  /** The providers for which the run brings a key of its own. */
  providers: readonly string[];
}

/** What of a run's snapshot its agent decides. */
export type AgentSnapshot = Pick<
  RunSnapshot,
  "agent" | "model" | "fallbackModel" | "mappedModel" | "prompt" | "input" | "inputChanges"
>;

/**
 * Looks an agent up and makes of it what its run will be: its active revision, whole; its model, as the operator maps it;
 * its input, checked and coerced. Throws `not_found`, `provider_unconfigured` (with provider, model, variable and
 * revision) and `input_invalid`.
 */
export async function agentSnapshot(
  deps: { agents: AgentLibrary; models: Models },
  ask: AgentAsk,
): Promise<AgentSnapshot> {
  const found = await deps.agents.find(ask.workspaceId, ask.agent);
  if (found === undefined) {
    throw await noAgent(deps.agents, ask);
  }
  const isScript = found.manifest.execution_mode === "script";
  return {
    agent: runAgent(found),
    ...(isScript ? { model: noModel } : agentModel(deps.models, found, ask.providers)),
    ...agentInput({ ...found.manifest, revision: found.revision }, isScript ? ask : told(ask)),
  };
}

function told(ask: AgentAsk): AgentAsk {
  if (ask.message === undefined || !ask.about) return ask;
  return { ...ask, message: ask.message === "" ? ask.about : `${ask.message}\n\n${ask.about}` };
}

/** The agent as its run keeps it: what it is does not change when another revision is installed. */
export function runAgent({ manifest, instructions, files, revision }: AgentRevision): RunAgent {
  const { agent, capabilities, limits, execution_mode, script_entry, llm_config } = manifest;
  const { remote_access, credential_env, io, mcp_servers } = manifest;
  const { token_budget_monthly: _, ...ofRun } = limits ?? {};
  const optional = {
    ...{ remote_access, credential_env, io, mcp_servers },
    ...{ execution_mode, script_entry, llm_config },
    limits: limits === undefined ? undefined : ofRun,
    files: files.length === 0 ? undefined : files,
  };
  const whole = { ...agent, instructions, capabilities, revision, ...optional };
  // Members that say nothing are left out, as in everything that is hashed.
  return JSON.parse(canonicalJson(whole)) as RunAgent;
}

async function noAgent(agents: AgentLibrary, { workspaceId, agent }: AgentAsk): Promise<Problem> {
  const known = (await agents.list(workspaceId)).map(({ manifest }) => manifest.agent.id);
  const meant = didYouMean(agent, known);
  const hint =
    meant === undefined
      ? `expected one of ${known.slice(0, 20).join(", ")}`
      : `did you mean ${meant}?`;
  return new Problem("not_found", `There is no agent ${JSON.stringify(agent)}: ${hint}`);
}
