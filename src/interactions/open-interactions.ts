import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type ExpiryWatch, watchExpiry } from "../base/watch-expiry.ts";
import type { AnswerInteraction, Interaction } from "../contract/interaction.ts";
import { Problem } from "../contract/problem.ts";
import type { InteractionRows } from "../store/store.ts";
import type { Interactions } from "./interactions.ts";

export interface InteractionsOptions {
  rows: InteractionRows;
  /** Cuts out of a text what the run that asked must not have written down (I6). */
  hide: (workspaceId: string, runId: string, text: string) => Promise<string>;
  clock: Pick<Clock, "sleep">;
  log: Log;
  /** What these runs asked has an answer, or has run out: they can go on. */
  onSettled: (runIds: readonly string[]) => Promise<void>;
}

export interface OpenInteractions extends Interactions {
  /** Lets run out what is due, and watches from then on. What a crash kept from its run is found by the corridor. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the room. Nothing is written and nothing watched before `start`. */
export function openInteractions(options: InteractionsOptions): OpenInteractions {
  const { rows, hide, onSettled } = options;
  let watch: ExpiryWatch | undefined;

  async function pick(workspaceId: string, id: string): Promise<Interaction> {
    const found = await rows.get(workspaceId, id);
    if (found === undefined) throw notFound(id);
    return found;
  }

  return {
    list: (workspaceId, filter) => rows.list(workspaceId, filter),
    get: pick,

    async answer(workspaceId, id, { answeredBy, ...given }) {
      const asked = await pick(workspaceId, id);
      checkAnswer(asked, given);
      const text =
        given.text === undefined ? null : await hide(workspaceId, asked.runId, given.text);
      const wrote = await rows.answer(workspaceId, id, {
        ...{ answer_text: text, answer_option_id: given.option ?? null, answered_by: answeredBy },
      });
      if (wrote === undefined) throw notFound(id);
      const { answered, interaction } = wrote;
      await onSettled([interaction.runId]);
      if (answered || isSame(interaction, text, given)) return interaction;
      throw alreadyAnswered(interaction);
    },

    async start() {
      await onSettled(await rows.expire());
      watch = watchExpiry({ ...options, onExpired: onSettled });
    },

    async close() {
      await watch?.close();
    },
  };
}

/** An answer that the question does not allow is refused, whatever became of the question. */
function checkAnswer({ options, allowFreeform }: Interaction, given: AnswerInteraction): void {
  const ids = options.map(({ id }) => JSON.stringify(id)).join(", ");
  if (given.option !== undefined && !options.some(({ id }) => id === given.option)) {
    const expected = ids === "" ? "a text: the question has no options" : `one of ${ids}`;
    throw wrong("option", `${JSON.stringify(given.option)} is none of it; expected ${expected}`);
  }
  if (given.text !== undefined && !allowFreeform) {
    throw wrong("text", `expected one of the options ${ids} in place of a text`);
  }
}

/** Whoever sends the same twice, because the first answer of the gateway was lost, has not been too late. */
function isSame(
  { status, answerText, answerOptionId }: Interaction,
  text: string | null,
  { option }: AnswerInteraction,
): boolean {
  return status === "answered" && answerText === text && answerOptionId === (option ?? null);
}

function wrong(path: string, message: string): Problem {
  const fields = [{ path, message }];
  return new Problem("invalid_request", `Cannot use ${path}: ${message}`, { fields });
}

function notFound(id: string): Problem {
  return new Problem("not_found", `There is no interaction ${JSON.stringify(id.slice(0, 64))}`);
}

function alreadyAnswered(interaction: Interaction): Problem {
  const { id, status, answeredAt } = interaction;
  const when = answeredAt === null ? "" : ` since ${answeredAt}`;
  return new Problem("interaction_answered", `Interaction ${id} is ${status}${when}`, {
    interaction,
  });
}
