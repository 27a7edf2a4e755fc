import type { Interaction, InteractionStatus } from "../contract/interaction.ts";
import { type PageOptions, pages, type Signal, type Transport } from "./transport.ts";

export interface InteractionListOptions extends PageOptions {
  /** Left out: all. */
  status?: InteractionStatus;
}

/** One of the options, or a text where the question allows one. */
export type AnswerOptions = ({ text: string } | { option: string }) & Signal;

/**
 * Questions that agents asked people, and what these said. To look takes a token with the scope `runs`
 * or `approve`, to answer one with `approve`.
 */
export interface InteractionCalls {
  /** One page, newest first; with the status `pending` oldest first. `nextCursor` is there when there are more. */
  list(
    options?: InteractionListOptions,
  ): Promise<{ interactions: Interaction[]; nextCursor?: string }>;
  /** All of them, fetched page by page as the loop goes on. */
  all(options?: { status?: InteractionStatus } & Signal): AsyncGenerator<Interaction>;
  get(interactionId: string, options?: Signal): Promise<Interaction>;
  /**
   * Answers it; the run goes on. When it has another answer, or none is wanted any more, it throws with
   * the code `interaction_answered` and the question in `details.interaction`.
   */
  answer(interactionId: string, answer: AnswerOptions): Promise<Interaction>;
}

const root = "/api/interactions";

export function openInteractionCalls(transport: Transport): InteractionCalls {
  const list: InteractionCalls["list"] = async ({ status, limit, cursor, signal } = {}) => {
    const query = { status, limit, cursor };
    const page = await transport.json({ method: "GET", path: root, query, signal });
    return page as { interactions: Interaction[]; nextCursor?: string };
  };
  return {
    list,
    all: ({ status, signal } = {}) =>
      pages(
        { signal },
        (page) => list({ ...page, ...(status === undefined ? {} : { status }) }),
        ({ interactions }) => interactions,
      ),
    async get(interactionId, { signal } = {}) {
      const found = await transport.json({ method: "GET", path: at(interactionId), signal });
      return (found as { interaction: Interaction }).interaction;
    },
    async answer(interactionId, { signal, ...json }) {
      const path = `${at(interactionId)}/answer`;
      // The same answer twice is one answer.
      const request = { method: "POST", path, json, repeatable: true, signal } as const;
      return ((await transport.json(request)) as { interaction: Interaction }).interaction;
    },
  };
}

function at(interactionId: string): string {
  return `${root}/${encodeURIComponent(interactionId)}`;
}
