import type { BudgetAsk } from "./budgets.ts";
import type { BudgetsTable } from "./schema.ts";

/** What is reserved in a tree, by how many runs. */
export interface ReservedSum {
  runs: number;
  tokens: number;
  nano_usd: number;
}

export const nothingReserved: ReservedSum = { runs: 0, tokens: 0, nano_usd: 0 };

/** How many tokens an answer may have, beside what is used and reserved; negative: there is no room at all. */
export function roomFor(budget: BudgetsTable, reserved: ReservedSum, ask: BudgetAsk): number {
  const { turns, tokens, nano_usd } = budget;
  const none = Number.NEGATIVE_INFINITY;
  if (turns !== null && budget.used_turns + reserved.runs + turnsOf(ask) > turns) return none;
  const rooms = [ask.output.wanted];
  if (tokens !== null) {
    rooms.push(tokens - budget.used_tokens - reserved.tokens - ask.input.tokens);
  }
  if (nano_usd !== null) {
    if (ask.input.nanoUsd === null) return none;
    const left = nano_usd - budget.used_nano_usd - reserved.nano_usd - ask.input.nanoUsd;
    if (left < 0) return none;
    const each = ask.nanoUsdPerOutputToken;
    if (each > 0) rooms.push(Math.floor(left / each));
  }
  return Math.min(...rooms);
}

function turnsOf({ more }: BudgetAsk): number {
  return more ? 0 : 1;
}

/** Which limits stand in the way, with what is used, reserved and asked for. */
export function shortOf(budget: BudgetsTable, reserved: ReservedSum, ask: BudgetAsk): string {
  const { min } = ask.output;
  const nanoUsd = (ask.input.nanoUsd ?? 0) + min * ask.nanoUsdPerOutputToken;
  const all = [
    ["turns", budget.turns, budget.used_turns, reserved.runs, turnsOf(ask), String],
    ["tokens", budget.tokens, budget.used_tokens, reserved.tokens, ask.input.tokens + min, String],
    ["usd", budget.nano_usd, budget.used_nano_usd, reserved.nano_usd, nanoUsd, usdText],
  ] as const;
  const short = all.flatMap(([name, limit, used, held, asked, text]) =>
    limit !== null && used + held + asked > limit
      ? `${name}: ${text(used)} of ${text(limit)} used, ${text(held)} reserved, ${text(asked)} asked`
      : [],
  );
  return `The budget of the run tree has no room for another turn: ${short.join("; ")}`;
}

function usdText(nanoUsd: number): string {
  return (nanoUsd / 1e9).toFixed(9).replace(/\.?0+$/, "");
}
