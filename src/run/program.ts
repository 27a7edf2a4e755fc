import { noModel, type RunProgram, type RunSnapshot } from "../contract/submission.ts";
import type { Model } from "../model/model.ts";
import type { End } from "./next-step.ts";
import type { CallState } from "./state.ts";

/**
 * What stands in the place of a model in a run that only starts a program: it asks for that one call. So such a run goes
 * the way of every other, and its call is decided, recorded and shown like any.
 */
export function programModel({ artifact, entrypoint, command, args }: RunProgram): Model {
  const call =
    command === undefined
      ? {
          tool: "artifact_exec",
          arguments: { artifact_id: artifact, entrypoint, args, network: "none" },
        }
      : { tool: "sandbox_exec", arguments: { artifact_id: artifact, command, network: "none" } };
  return callModel("program", call);
}

/** Whether a run is one call, which nobody has to be asked or paid for: a program, or a script. */
export function isOneCall({ program, agent }: RunSnapshot): boolean {
  return program !== undefined || agent?.execution_mode === "script";
}

/** A model that costs nothing and asks for one call. */
export function callModel(
  toolCallId: string,
  call: { tool: string; arguments: Record<string, unknown> },
): Model {
  return {
    id: noModel,
    async *reply() {
      yield {
        type: "reply",
        reply: {
          parts: [],
          calls: [{ toolCallId, ...call }],
          finishReason: "calls",
          usage: {
            ...{ input_tokens: 0, output_tokens: 0 },
            ...{ cache_read_tokens: 0, cache_write_tokens: 0 },
          },
          ...{ costUsd: 0, model: noModel, attempt: 1 },
        },
      };
    },
  };
}

/** A run that only starts a program ends as its program did. */
export function afterProgram({ finished }: CallState): End {
  const { ok, exit_code, message } = (finished?.result ?? {}) as {
    ok?: unknown;
    exit_code?: unknown;
    message?: unknown;
  };
  if (ok === true) return { status: "succeeded", stop_reason: "end_turn" };
  const reason =
    typeof message === "string"
      ? message
      : `The program ended with exit code ${typeof exit_code === "number" ? exit_code : "unknown"}`;
  return { status: "failed", stop_reason: "program_failed", message: reason };
}
