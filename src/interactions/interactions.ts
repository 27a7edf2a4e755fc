/**
 * Interactions: what agents ask people, and what people say. A question is answered once; the run that asked is a row
 * until then, and goes on by itself.
 *
 * I6  What a person says passes the redaction of the run before it is written down.
 * I12 A call that waits for an answer is a row, and nothing else.
 */
import type { AnswerInteraction, Interaction, InteractionStatus } from "../contract/interaction.ts";

export {
  type InteractionsOptions,
  type OpenInteractions,
  openInteractions,
} from "./open-interactions.ts";

/** What people may do with questions. Every method is scoped by workspace (I14) and throws `Problem`s. */
export interface Interactions {
  /** Newest first; pending ones oldest first, for they wait. */
  list(
    workspaceId: string,
    filter: { status?: InteractionStatus; limit: number; cursor?: string },
  ): Promise<{ interactions: Interaction[]; nextCursor?: string }>;
  get(workspaceId: string, id: string): Promise<Interaction>;
  /**
   * Answers a pending question, durably, and lets its run go on. The answer that it has already changes nothing; any
   * other one is `interaction_answered`, with the first in `details.interaction`. Throws `invalid_request` that names
   * `option` or `text` when the question does not allow the answer.
   */
  answer(
    workspaceId: string,
    id: string,
    answer: AnswerInteraction & { answeredBy: string },
  ): Promise<Interaction>;
}
