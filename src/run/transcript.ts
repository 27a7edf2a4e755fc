import { agentsFile } from "../contract/bundle.ts";
import type { ForkedFrom } from "../contract/submission.ts";
import type { Message } from "../model/model.ts";
import type { Instructions } from "./run-bundles.ts";
import type { RunState, TurnState } from "./state.ts";

/** Puts the long strings of an event's value back, which are kept as blobs. */
export type Restore = (value: unknown) => Promise<unknown>;

/**
 * The journal folded into what the model is told: the prompt, then each turn as it came with the results of its calls.
 * Every call of a turn has a result by the time the next turn is asked for. Nothing that came after the event `readSeq` is
 * told: while this is made something may be written down, and what the turn does not say it has read is told by the next.
 */
export async function transcript(
  state: RunState,
  restore: Restore,
  readSeq = state.seq,
  instructions: readonly Instructions[] = [],
): Promise<Message[]> {
  const notes = state.notes.filter(({ seq }) => seq <= readSeq);
  const messages = await firstMessages(state.snapshot, restore, instructions);
  for (const turn of state.turns) {
    // An earlier version did not say what the model had read: it was told nothing between turns.
    const read = turn.reply.read_seq ?? 0;
    while (notes[0] !== undefined && notes[0].seq <= read) {
      messages.push({ role: "user", text: String(await restore(notes.shift()?.text)) });
    }
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
  for (const { text } of notes) {
    messages.push({ role: "user", text: String(await restore(text)) });
  }
  return messages;
}

/**
 * The prompt, after the instructions that were given with it; a fork's after what the other run remembers, of which they
 * are a part already.
 */
async function firstMessages(
  { prompt, forked }: RunState["snapshot"],
  restore: Restore,
  instructions: readonly Instructions[],
): Promise<Message[]> {
  const text = prompt.join("\n\n");
  if (forked === undefined) {
    const given = instructions.map((one) => `[${agentsFile}: ${one.name}]\n${one.text.trim()}`);
    return [{ role: "user", text: [...given, text].join("\n\n") }];
  }
  const blob = { blob: forked.transcript, bytes: 0, head: "" };
  const remembered = JSON.parse(String(await restore(blob))) as Message[];
  return [...remembered, { role: "user", text: `${forkNote(forked)}\n\n${text}` }];
}

/** A fork must not look for what is only in its memory. */
function forkNote({ run_id, turn }: ForkedFrom): string {
  return `[gateway] From here on this is a new run, a fork of ${run_id} after its turn ${turn}. /tmp and /workspace are new: they hold the input files and the content that you could see, and nothing that commands left behind. Content, artifacts and captured layers are there. Tasks, questions and approvals of the other run are not part of this one.`;
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
