import { type AgentLibrary, ioFaults } from "../agents/agents.ts";
import type { AgentIo } from "../contract/agent-parts.ts";
import { Problem } from "../contract/problem.ts";
import { providers } from "../contract/submission.ts";
import type { Models } from "../model/model.ts";
import { agentInput } from "./agent-input.ts";
import { type AgentSnapshot, agentSnapshot } from "./agent-snapshot.ts";
import { checkHosts } from "./check-hosts.ts";
import type { SubmitRequest } from "./run.ts";
import { providersOf } from "./run-secrets.ts";

type Submission = SubmitRequest["submission"];

export interface WhoDeps {
  agents: AgentLibrary;
  models: Models;
  leadAgent: string;
}

/**
 * Who does a run, and with which model: an installed agent, by its manifest; without agent and model the lead agent; else the
 * model that the submission names, with its inline agent or the built-in one.
 */
export async function whoRuns(
  deps: WhoDeps,
  { workspaceId, submission }: SubmitRequest,
): Promise<AgentSnapshot | Omit<AgentSnapshot, "prompt">> {
  const { agent, model } = submission;
  if (typeof agent !== "object" && (agent !== undefined || model === undefined)) {
    return installedAgent(deps, workspaceId, agent, submission);
  }
  checkModels(deps.models, submission);
  if (model === undefined) throw missingModel();
  const { input } = submission;
  if (typeof agent !== "object") {
    if (input !== undefined) throw inputWithoutAgent();
    refuseIdleKeys(deps.models, submission);
    return { model };
  }
  checkHosts("agent.capabilities", agent.capabilities);
  checkIo(agent.io);
  return { model, agent, ...(input === undefined ? {} : agentInput(agent, { input })) };
}

async function installedAgent(
  deps: WhoDeps,
  workspaceId: string,
  named: string | undefined,
  submission: Submission,
): Promise<AgentSnapshot> {
  const agent = named ?? deps.leadAgent;
  refuseModels(agent, submission);
  const { prompt, message, input, secrets } = submission;
  const prompts = typeof prompt === "object" ? prompt : [prompt ?? ""];
  const text = input === undefined ? (message ?? prompts.join("\n\n")) : undefined;
  try {
    const made = await agentSnapshot(deps, {
      ...{ workspaceId, agent, providers: providersOf(secrets) },
      ...(text === undefined ? {} : { message: text }),
      ...(input === undefined ? {} : { input }),
    });
    return made.input === undefined && prompts.length > 1 ? { ...made, prompt: prompts } : made;
  } catch (error) {
    if (named !== undefined || !(error instanceof Problem)) throw error;
    const why = "a run without agent and model is done by the lead agent (AIRLOCK_LEAD_AGENT)";
    throw new Problem(error.code, `${error.message}; ${why}`, error.details, { cause: error });
  }
}

function refuseModels(agent: string, submission: Submission): void {
  for (const field of ["model", "fallbackModel"] as const) {
    if (submission[field] === undefined) continue;
    const message = `the agent ${agent} names its own model; leave it out, or map the model with AIRLOCK_MODEL_MAP`;
    throw wrongField(field, message);
  }
}

/** Throws `model_unknown` and `model_credential_missing`, naming the field. */
export function checkModels(
  models: Models,
  submission: Pick<Submission, "model" | "fallbackModel" | "secrets">,
): void {
  const own = providersOf(submission.secrets);
  for (const field of ["model", "fallbackModel"] as const) {
    const id = submission[field];
    if (id === undefined) continue;
    const resolved = models.resolve(id, own);
    if (resolved.type === "unknown") {
      throw new Problem("model_unknown", `${field}: ${resolved.message}`, { field });
    }
    if (resolved.type === "no_credential") {
      throw new Problem("model_credential_missing", `${field}: ${resolved.message}`, {
        field,
        provider: resolved.provider,
        variable: resolved.variable,
      });
    }
  }
}

/**
 * A run that works alone has no use for a key of a provider that neither of its models is of: it was meant for something
 * else. One with an agent may start tasks of other agents, whose models are of other providers.
 */
function refuseIdleKeys(models: Models, submission: Submission): void {
  const own = providersOf(submission.secrets);
  const used = [submission.model, submission.fallbackModel].flatMap((id) => {
    const resolved = id === undefined ? undefined : models.resolve(id, own);
    return resolved?.type === "ready" ? [resolved.provider] : [];
  });
  // What stands in the place of a provider, such as a server of one's own, takes no key of a run.
  if (!used.every((provider) => (providers as readonly string[]).includes(provider))) return;
  const idle = own.find((provider) => !used.includes(provider));
  if (idle === undefined) return;
  const message = `neither the model nor the fallbackModel is of ${idle}; leave the key out`;
  throw wrongField(`secrets.${idle}`, message);
}

/** An inline agent comes with no install that would have looked at its schemas. */
function checkIo(io: AgentIo | undefined): void {
  const fields = ioFaults(io === undefined ? {} : { io }).map(({ path, message, remedy }) => ({
    ...{ path: ["agent", ...path].join("."), message: `${message}. ${remedy}` },
  }));
  const [first] = fields;
  if (first === undefined) return;
  throw new Problem("invalid_request", `${first.path}: ${first.message}`, { fields });
}

function missingModel(): Problem {
  return wrongField("model", "is missing: expected provider/model for an inline agent");
}

function inputWithoutAgent(): Problem {
  return wrongField("input", "is for an agent; expected a prompt or message");
}

function wrongField(path: string, message: string): Problem {
  return new Problem("invalid_request", `${path}: ${message}`, { fields: [{ path, message }] });
}
