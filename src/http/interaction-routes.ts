import { z } from "zod";
import { InteractionId } from "../contract/ids.ts";
import { AnswerInteraction, Interaction } from "../contract/interaction.ts";
import { InteractionListQuery } from "./query.ts";
import type { Route } from "./route.ts";

const ofInteraction = z.object({ id: InteractionId });
const interaction = z.object({ interaction: Interaction });
/** Who follows a run may see what it waits for; to answer takes the scope `approve`, which no agent has. */
const lookers = ["runs", "approve"] as const;

/** What agents ask people. */
export const interactionRoutes = {
  listInteractions: {
    method: "get",
    path: "/api/interactions",
    scope: lookers,
    tag: "Interactions",
    summary: "List questions of agents to people, newest first",
    description: "With `status=pending`, oldest first.",
    query: InteractionListQuery,
    replies: {
      200: {
        description: "One page; `nextCursor` when there is another",
        schema: z.object({
          interactions: z.array(Interaction),
          nextCursor: z.string().optional().describe("Pass it as `cursor` to read on"),
        }),
      },
    },
  },
  getInteraction: {
    method: "get",
    path: "/api/interactions/{id}",
    scope: lookers,
    tag: "Interactions",
    summary: "Get a question and its answer",
    params: ofInteraction,
    replies: { 200: { description: "The question as it is now", schema: interaction } },
  },
  answerInteraction: {
    method: "post",
    path: "/api/interactions/{id}/answer",
    scope: "approve",
    tag: "Interactions",
    summary: "Answer a question",
    description:
      "Durable before the answer; the run then goes on by itself. The same answer again changes nothing; another one is " +
      "`interaction_answered`, with the first in `details.interaction`. Secrets of the run and of the workspace are cut " +
      "out of a text.",
    params: ofInteraction,
    body: AnswerInteraction,
    replies: { 200: { description: "It is answered", schema: interaction } },
    problems: ["interaction_answered", "storage_full"],
  },
} as const satisfies Record<string, Route>;
