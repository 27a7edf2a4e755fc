import type { Message } from "../model/model.ts";
import type { RunState, TurnState } from "./state.ts";

/** Puts the long strings of an event's value back, which are kept as blobs. */
export type Restore = (value: unknown) => Promise<unknown>;

/**
 * The journal folded into what the model is told: the prompt, then each turn as it came with the results of its calls.
 * Every call of a turn has a result by the time the next turn is asked for.
 */
export async function transcript(state: RunState, restore: Restore): Promise<Message[]> {
  const messages: Message[] = [{ role: "user", text: state.snapshot.prompt.join("\n\n") }];
  for (const turn of state.turns) {
    messages.push({ role: "assistant", parts: await assistantParts(turn, restore) });
    if (turn.calls.length > 0) {
      const results = turn.calls.map(async ({ request, finished }) => ({
        toolCallId: request.tool_call_id,
        tool: request.tool,
        result: await restore(finished?.result),
      }));
      messages.push({ role: "tool", results: await Promise.all(results) });
      for (const text of resolvedIn(turn)) messages.push({ role: "user", text });
    }
  }
  return messages;
}

/** What a model is told of the answers that its calls waited for; their results are with the calls already. */
function resolvedIn(turn: TurnState): string[] {
  return turn.calls.flatMap(({ asked }) => {
    if (!asked?.answer) return [];
    const { request_id, status } = asked.answer;
    const message =
      status === "approved"
        ? "The call was continued by the gateway: its result is above. Go on with your work"
        : "The call was not made: its result above says why. Go on without it";
    return [JSON.stringify({ type: "approval_resolved", request_id, status, message })];
  });
}

type AssistantParts = Extract<Message, { role: "assistant" }>["parts"];

async function assistantParts(turn: TurnState, restore: Restore): Promise<AssistantParts> {
  const parts: AssistantParts = [];
  for (const { type, text, provider_metadata } of turn.reply.parts) {
    const whole = String(await restore(text));
    parts.push({ type, text: whole, ...(await metadata(provider_metadata, restore)) });
  }
  for (const { request } of turn.calls) {
    parts.push({
      type: "call",
      toolCallId: request.tool_call_id,
      tool: request.tool,
      arguments: await restore(request.arguments),
      ...(await metadata(request.provider_metadata, restore)),
    });
  }
  return parts;
}

/** Reasoning signatures and the like: some providers refuse a conversation that comes back without them. */
async function metadata(value: unknown, restore: Restore): Promise<{ providerMetadata?: unknown }> {
  return value === undefined ? {} : { providerMetadata: await restore(value) };
}
