import { coerceInput } from "../agents/agents.ts";
import type { AgentManifest } from "../contract/manifest.ts";
import { Problem } from "../contract/problem.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { AgentAsk } from "./agent-snapshot.ts";

type AgentInput = Pick<RunSnapshot, "prompt" | "input" | "inputChanges">;
type Asked = Pick<AgentAsk, "message" | "input">;

/** What of an agent says what it takes. */
export interface Accepting extends Partial<Pick<AgentManifest, "io" | "validation">> {
  execution_mode?: AgentManifest["execution_mode"];
  revision?: string;
}

/**
 * What the run of an agent begins with: the message for its model, and its input as `io.accepts` has it. A script agent has no
 * model, so all that it is told is its input. Throws `input_invalid` with the paths.
 */
export function agentInput(agent: Accepting, ask: Asked): AgentInput {
  const mode = agent.execution_mode ?? "reasoning";
  const { validation, io, revision } = agent;
  const coerced = coerceInput(io?.accepts, ask, { mode, validation });
  if (!coerced.ok) {
    const fields = coerced.problems.map((problem) => ({
      ...problem,
      path: problem.path === "" ? "input" : `input.${problem.path}`,
    }));
    const said = fields.map(({ path, message }) => `${path}: ${message}`).join("; ");
    const named = revision === undefined ? {} : { revision };
    throw new Problem(
      "input_invalid",
      said || "input: expected what io.accepts of the agent says",
      { fields, ...named },
    );
  }
  const { message, changes } = coerced;
  const input = coerced.input ?? (mode === "script" ? scriptInput(message) : undefined);
  return {
    prompt: [message],
    ...(input === undefined ? {} : { input }),
    ...(changes.length === 0 ? {} : { inputChanges: changes }),
  };
}

/** A message for a script that says nothing of what it accepts: a JSON object or list is one, all else is a text. */
function scriptInput(message: string): NonNullable<AgentAsk["input"]> {
  if (!/^\s*[[{]/.test(message)) return message;
  try {
    return JSON.parse(message) as NonNullable<AgentAsk["input"]>;
  } catch {
    return message;
  }
}
