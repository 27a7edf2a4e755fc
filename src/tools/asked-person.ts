import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import { newInteractionId } from "../contract/ids.ts";
import type { Interaction, InteractionRequest } from "../contract/interaction.ts";
import { failure, type ToolContext, type ToolOutcome, waitFor } from "./tool.ts";

/** What a call asks a person. */
export type Question = Omit<InteractionRequest, "interaction_id" | "call_id" | "expires_at">;

/** What came of it: `answered` has the answer in its members, the others say why there is none. */
export type AskedPerson =
  | { type: "wait"; outcome: ToolOutcome }
  | { type: "told"; interaction: Interaction; result: ToolOutcome["result"] };

/**
 * Asks a person, or, when the call has waited for one, says what he said. The question is made once: what the call waited
 * for names it, whatever died in between.
 */
export async function askPerson(context: ToolContext, question: Question): Promise<AskedPerson> {
  const asked = context.waited?.started.interaction_id;
  if (asked) {
    const interaction = await context.facts.interaction(asked);
    assert(interaction, `${asked} is a question of the run that waited for it`);
    return { type: "told", interaction, result: answerOf(interaction) };
  }
  if ((await context.facts.askedLately()) >= limits.interactionsPerHour) {
    const message = `The run tree asked people ${limits.interactionsPerHour} times within an hour`;
    const hint = "Decide by yourself what you can, and ask again later";
    return { type: "wait", outcome: { result: failure("resource", message, hint) } };
  }
  const request = {
    ...question,
    interaction_id: newInteractionId(),
    expires_at: new Date(context.now() + limits.interactionPendingMs).toISOString(),
  };
  return { type: "wait", outcome: waitFor({ on: "input", request }) };
}

/** A question and its answer as the model is told them. */
export function answerOf(interaction: Interaction): ToolOutcome["result"] {
  const { id, status, answerText, answerOptionId, options } = interaction;
  const told = { interaction_id: id, status };
  if (status === "answered") {
    const chosen = options.find((option) => option.id === answerOptionId);
    return {
      ...{ ok: true, ...told },
      ...(answerText === null ? {} : { answer_text: answerText }),
      ...(chosen ? { answer_option_id: chosen.id, answer_label: chosen.label } : {}),
      answer: answerText ?? chosen?.value ?? chosen?.label ?? null,
    };
  }
  const message =
    status === "expired" ? "Nobody answered in time" : "The question was taken back unanswered";
  return failure(
    "resource",
    message,
    "Go on without the answer, or say what you need it for",
    told,
  );
}
