import { z } from "zod";
import { answerOf } from "./asked-person.ts";
import type { Tool } from "./tool.ts";

const UserInteractionStatus = z.strictObject({
  interaction_id: z.string().min(1).max(64).describe("int_…"),
});
type UserInteractionStatus = z.infer<typeof UserInteractionStatus>;

export const userInteractionStatus: Tool<UserInteractionStatus> = {
  name: "user_interaction_status",
  description: "Says where a question to a person stands that an agent of this workflow asked.",
  input: UserInteractionStatus,
  repeatable: true,
  capability: null,
  wants: () => null,

  async run({ interaction_id }, { facts }) {
    const found = await facts.interaction(interaction_id);
    if (found === undefined) return { result: { ok: true, interaction_id, status: "not_found" } };
    const { kind, question, context, options, allowFreeform, agent, runId } = found;
    return {
      result: {
        ...(found.status === "answered" ? answerOf(found) : { interaction_id }),
        ...{ ok: true, status: found.status, kind, question, context, options },
        ...{ allow_freeform: allowFreeform, agent_id: agent, session_id: runId },
        ...{ created_at: found.createdAt, expires_at: found.expiresAt },
        answered_at: found.answeredAt,
      },
    };
  },
};
