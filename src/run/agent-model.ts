import type { AgentRevision } from "../agents/agents.ts";
import { assert } from "../base/assert.ts";
import { providerVariables } from "../base/config.ts";
import { Problem } from "../contract/problem.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { Models } from "../model/model.ts";

type AgentModel = Pick<RunSnapshot, "model" | "fallbackModel" | "mappedModel">;

/**
 * The model that an agent's manifest asks for, or that the operator gives in its place, and the same for its fallback. A
 * model that cannot be asked is a `provider_unconfigured` that says what to set: never another provider in silence.
 */
export function agentModel(
  models: Models,
  found: AgentRevision,
  providers: readonly string[],
): AgentModel {
  const config = found.manifest.llm_config;
  assert(config, "an agent that is no script has llm_config: its manifest was refused otherwise");
  const { provider, model, fallback_provider, fallback_model } = config;
  const first = given(models, `${provider}/${model}`);
  check(models, found, first, providers);
  const made: AgentModel = {
    model: first.model,
    ...(first.rule === undefined ? {} : { mappedModel: { asked: first.asked, rule: first.rule } }),
  };
  if (fallback_provider === undefined && fallback_model === undefined) return made;
  const asked = `${fallback_provider ?? provider}/${fallback_model ?? model}`;
  const fallback = given(models, asked);
  check(models, found, fallback, providers);
  return fallback.model === first.model ? made : { ...made, fallbackModel: fallback.model };
}

interface Given {
  asked: string;
  model: string;
  rule: string | undefined;
}

function given(models: Models, asked: string): Given {
  const mapped = models.mapped(asked);
  return { asked, model: mapped?.model ?? asked, rule: mapped?.rule };
}

function check(
  models: Models,
  { manifest, revision }: AgentRevision,
  { asked, model, rule }: Given,
  providers: readonly string[],
): void {
  // First without the run's own keys: a provider that nobody knows would go to whichever one has a key.
  const known = models.resolve(model, []);
  const resolved = known.type === "unknown" ? known : models.resolve(model, providers);
  if (resolved.type === "ready") return;
  const [provider = ""] = model.split("/");
  const variable =
    resolved.type === "no_credential" ? resolved.variable : variableOf(models, model, provider);
  const mapped = rule === undefined ? "" : ` (for ${asked}, by the rule ${JSON.stringify(rule)})`;
  throw new Problem(
    "provider_unconfigured",
    `The agent ${manifest.agent.id} needs the model ${model}${mapped}: ${resolved.message}; ` +
      "or give it another model with AIRLOCK_MODEL_MAP",
    {
      ...{ agent: manifest.agent.id, revision, provider },
      ...{ model: model.slice(provider.length + 1), variable },
      ...(rule === undefined ? {} : { asked, rule }),
    },
  );
}

/** Where a key of the gateway would be read from; null for a provider that it does not know. */
function variableOf(models: Models, model: string, provider: string): string | null {
  return models.resolve(model, []).type === "unknown" ? null : providerVariables(provider).apiKey;
}
