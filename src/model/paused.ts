import type { ModelMessage } from "ai";
import type { ModelRequest } from "./model.ts";
import type { Ending } from "./provider-attempt.ts";

/** What a provider has done of one answer by now, while it works at it with tools of its own. */
export interface Paused {
  /** Sent back as it came, so that the provider goes on where it was. */
  messages: ModelMessage[];
  /** Where it works. */
  container: string | undefined;
  outputTokensLeft: number | undefined;
  times: number;
  isAllowed: boolean;
}

type Finished = Extract<Ending, { type: "finished" }>;

/** An answer takes so many requests at most; each is minutes of the provider's own work. */
const pausesMost = 16;

export function openPaused({ maxOutputTokens, isBounded = false }: ModelRequest): Paused {
  return {
    ...{ messages: [], container: undefined, outputTokensLeft: maxOutputTokens, times: 0 },
    isAllowed: !isBounded,
  };
}

/** Whether a provider stopped only to be asked to go on: what it said so far is half an answer. */
export function isPaused(ending: Ending | undefined): ending is Finished & { raw: "pause_turn" } {
  return ending?.type === "finished" && ending.raw === "pause_turn";
}

/** Takes what was said so far into the next request. False: there must be none. */
export async function goOn(
  paused: Paused,
  { usage, metadata }: Finished,
  said: PromiseLike<ModelMessage[]>,
): Promise<boolean> {
  paused.times += 1;
  if (!paused.isAllowed || paused.times > pausesMost) return false;
  paused.messages.push(...(await said));
  paused.container = containerOf(metadata) ?? paused.container;
  if (paused.outputTokensLeft !== undefined) {
    paused.outputTokensLeft = Math.max(1, paused.outputTokensLeft - (usage.outputTokens ?? 0));
  }
  return true;
}

function containerOf(metadata: unknown): string | undefined {
  const { anthropic } = (metadata ?? {}) as { anthropic?: { container?: { id?: unknown } | null } };
  const id = anthropic?.container?.id;
  return typeof id === "string" ? id : undefined;
}
