import { z } from "zod";
import { CallId, InteractionId, RunId } from "./ids.ts";

export const interactionKinds = [
  "clarification",
  "decision",
  "proposal",
  "confirmation",
  "escalation",
] as const;
export const InteractionKind = z.enum(interactionKinds);
export const interactionStatuses = ["pending", "answered", "cancelled", "expired"] as const;
export const InteractionStatus = z.enum(interactionStatuses).meta({ id: "InteractionStatus" });
export type InteractionStatus = z.infer<typeof InteractionStatus>;

export const InteractionOption = z
  .strictObject({
    id: z.string().min(1).max(64),
    label: z.string().min(1).max(500),
    value: z.json().optional(),
  })
  .meta({ id: "InteractionOption" });

/** What an agent asks a person, as its journal keeps it. */
export const InteractionRequest = z.object({
  interaction_id: InteractionId,
  call_id: CallId,
  kind: InteractionKind,
  question: z.string(),
  context: z.string().nullable(),
  options: z.array(InteractionOption),
  allow_freeform: z.boolean(),
  expires_at: z.iso.datetime(),
});
export type InteractionRequest = z.infer<typeof InteractionRequest>;

export const InteractionAnswer = z.object({
  interaction_id: InteractionId,
  call_id: CallId,
  status: z.enum(["answered", "cancelled", "expired"]),
  answer_text: z.string().nullable(),
  answer_option_id: z.string().nullable(),
  answered_by: z.string().nullable(),
});
export type InteractionAnswer = z.infer<typeof InteractionAnswer>;

/** A question of an agent to a person, and its answer. */
export const Interaction = z
  .object({
    id: InteractionId,
    runId: RunId,
    rootRunId: RunId,
    callId: CallId,
    agent: z.string().nullable(),
    status: InteractionStatus,
    kind: InteractionKind,
    question: z.string(),
    context: z.string().nullable(),
    options: z.array(InteractionOption),
    allowFreeform: z.boolean(),
    answerText: z.string().nullable(),
    answerOptionId: z.string().nullable(),
    answeredBy: z.string().nullable(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    answeredAt: z.iso.datetime().nullable(),
  })
  .meta({ id: "Interaction" });
export type Interaction = z.infer<typeof Interaction>;

/** The answer of a person: one of the options, or a text where the question allows one. */
export const AnswerInteraction = z
  .strictObject({
    text: z
      .string()
      .min(1)
      .max(64 * 1024)
      .optional(),
    option: z.string().min(1).max(64).optional().describe("The id of one of its options"),
  })
  .refine(({ text, option }) => (text === undefined) !== (option === undefined), {
    error: "expected exactly one of text and option",
  })
  .meta({ id: "AnswerInteraction" });
export type AnswerInteraction = z.infer<typeof AnswerInteraction>;
