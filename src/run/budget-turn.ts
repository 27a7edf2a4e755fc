import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import type { NewEvent } from "../contract/event.ts";
import type { Billed, Model, ModelBounds, ModelRequest, Reply } from "../model/model.ts";
import { type BudgetAsk, type Budgets, lostTurn } from "../store/store.ts";
import type { InputBound } from "./budget-bound.ts";
import type { BudgetLine } from "./budget-line.ts";
import type { End } from "./next-step.ts";

/** What one turn has reserved of the budget of its tree. Its events settle it. */
export interface BudgetTurn {
  /** The longest answer that is paid for. */
  maxOutputTokens: number;
  /** Reserves another attempt; how the run ends when there is no room for it. */
  retry(billed: Billed): Promise<End | undefined>;
  /** What is written beside the reply; how the run ends when it was the budget that cut the reply off. */
  replied(reply: Reply): { events: NewEvent[]; end: End | undefined };
  /** There is no reply: what is written, unless certainly nothing was spent and it was given back. */
  failed(billed: Billed): Promise<NewEvent[]>;
  /** What is written when nobody knows how far it got. */
  interrupted(): NewEvent[];
}

export interface TurnToReserve {
  budgets: Budgets;
  line: BudgetLine;
  bound: InputBound;
  model: Model & { bounds: ModelBounds };
  of: Pick<BudgetAsk, "runId" | "rootRunId" | "workspaceId" | "turn">;
  /** The tree has a budget in USD: a model without a price is not asked. */
  needsPrice: boolean;
  append: (...events: NewEvent[]) => Promise<void>;
  signal: AbortSignal;
}

type Cost = Pick<BudgetAsk, "input" | "nanoUsdPerOutputToken">;

/**
 * Reserves a turn before its model is asked. Waits for what others of the tree have reserved; ends the run when there is no
 * room. Rejects with the signal's reason.
 */
export async function reserveTurn(
  given: TurnToReserve,
  request: ModelRequest,
): Promise<BudgetTurn | End> {
  const { bounds } = given.model;
  const longest = Math.min(bounds.outputTokens, limits.budgetOutputTokens);
  const wanted = Math.min(request.maxOutputTokens ?? longest, longest);
  const cost = costOf(given, request);
  if ("status" in cost) return cost;
  const output = { min: Math.min(wanted, limits.budgetOutputTokensMin), wanted };
  const held = await enter(given, { ...cost, output, more: false });
  if ("status" in held) return held;
  if (given.signal.aborted) {
    // Nothing was sent yet.
    await given.budgets.release(given.of.runId);
    given.line.moved(given.of.rootRunId);
    given.signal.throwIfAborted();
  }
  return openTurn(given, request, cost, { ...held, isCut: held.output < wanted });
}

function costOf({ model, bound, needsPrice }: TurnToReserve, request: ModelRequest): Cost | End {
  const tokens = bound.of(request);
  const price = model.bounds.priceOf(tokens);
  if ("unpriced" in price) {
    if (!needsPrice) return { input: { tokens, nanoUsd: null }, nanoUsdPerOutputToken: 0 };
    return outOfBudget(
      `${price.unpriced} has no price, and the run tree has a budget in USD: name its price in the file of AIRLOCK_PRICES`,
    );
  }
  return { input: { tokens, nanoUsd: price.input }, nanoUsdPerOutputToken: price.perOutputToken };
}

interface Held {
  output: number;
  tokens: number;
  nanoUsd: number;
}

async function enter(
  { budgets, line, of, signal }: TurnToReserve,
  ask: Pick<BudgetAsk, "input" | "nanoUsdPerOutputToken" | "output" | "more">,
): Promise<Held | End> {
  const reserve = async (last: boolean) => {
    const answer = await budgets.reserve({ ...of, ...ask, last });
    if (answer.type === "busy") return undefined;
    return answer.type === "reserved" ? answer : outOfBudget(answer.message);
  };
  if (!ask.more) return line.enter(of.rootRunId, reserve, signal);
  // Whoever holds something does not wait for others, who may wait for what it holds.
  const more = await reserve(true);
  assert(more !== undefined, "The last one that asks is not told to wait");
  return more;
}

function openTurn(
  given: TurnToReserve,
  request: ModelRequest,
  cost: Cost,
  first: Held & { isCut: boolean },
): BudgetTurn {
  const { budgets, bound, of, append } = given;
  const attempt = { tokens: first.tokens, nanoUsd: first.nanoUsd };
  /** Attempts that are reserved: a reply of nothing is billed with the one that follows. */
  let attempts = 1;
  const whole = { min: first.output, wanted: first.output };
  const lost = (count: number, reason: Parameters<typeof lostTurn>[1]) => {
    const held = { tokens: attempt.tokens * count, nanoUsd: attempt.nanoUsd * count };
    return count === 0 ? [] : [lostTurn({ turn: of.turn, ...held }, reason)];
  };
  return {
    maxOutputTokens: first.output,
    async retry(billed) {
      if (billed === "no") return undefined;
      const counted = attempts - (billed === "counted" ? 0 : 1);
      // What is reserved for attempts that were counted stays: it must not be somebody else's meanwhile.
      if (billed === "maybe") await append(...lost(1, "retried"));
      attempts = counted;
      const again = await enter(given, { ...cost, output: whole, more: counted > 0 });
      if ("status" in again) {
        // What was billed for a reply of nothing comes with no other one.
        await append(...lost(attempts, "failed"));
        attempts = 0;
        return again;
      }
      attempts = counted + 1;
      return undefined;
    },
    replied(reply) {
      bound.replied(request, reply);
      const { finishReason, calls } = reply;
      const isCut = first.isCut && finishReason === "length" && calls.length === 0;
      const why = `The reply was cut off after ${first.output} tokens, the last that the budget of the run tree had left`;
      return {
        events: unreported(given, attempt, reply),
        end: isCut ? outOfBudget(why) : undefined,
      };
    },
    async failed(billed) {
      const spent = billed === "no" ? attempts - 1 : attempts;
      if (spent > 0) return lost(spent, "failed");
      await budgets.release(of.runId);
      return [];
    },
    interrupted: () => lost(attempts, "interrupted"),
  };
}

/** A provider that does not say what it bills is taken to have billed all that was reserved. */
function unreported({ of }: TurnToReserve, held: Omit<Held, "output">, reply: Reply): NewEvent[] {
  const { input_tokens, output_tokens } = reply.usage;
  if (reply.model.startsWith("scripted/")) return [];
  const isSilent = reply.parts.length === 0 && reply.calls.length === 0;
  if (input_tokens > 0 && (output_tokens > 0 || isSilent)) return [];
  const tokens = Math.max(0, held.tokens - input_tokens - output_tokens);
  const nanoUsd = Math.max(0, held.nanoUsd - Math.round((reply.costUsd ?? 0) * 1e9));
  return [lostTurn({ turn: of.turn, tokens, nanoUsd }, "unreported")];
}

/** How a run ends when the budget of its tree is used up. */
export function outOfBudget(message: string): End {
  return { status: "terminated", stop_reason: "budget", message };
}
