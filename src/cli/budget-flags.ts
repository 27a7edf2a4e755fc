import { type Command, InvalidArgumentError } from "commander";
import type { RunBudget, RunTree } from "../sdk/sdk.ts";
import { showDuration } from "./duration.ts";

/** The flags of a budget, as commander names them. */
export interface BudgetFlags {
  budgetTokens?: number;
  budgetUsd?: number;
  budgetTurns?: number;
  budgetCalls?: number;
  budgetSeconds?: number;
}

/** Adds the flags of the budget of a run and of all that it starts. */
export function addBudgetFlags(command: Command): void {
  command
    .option("--budget-tokens <n>", "tokens that it and all it starts may use, in and out", number)
    .option("--budget-usd <n>", "what all of it may cost, by the price table", number)
    .option("--budget-turns <n>", "turns of all of it together", number)
    .option("--budget-calls <n>", "calls of all of it together", number)
    .option("--budget-seconds <n>", "how long all of it may take, waiting included", number);
}

/** What the flags ask for, over what a configuration file has. */
export function readBudget(flags: BudgetFlags, before: unknown): RunBudget | undefined {
  const asked = {
    tokens: flags.budgetTokens,
    usd: flags.budgetUsd,
    turns: flags.budgetTurns,
    calls: flags.budgetCalls,
    wallClockSeconds: flags.budgetSeconds,
  };
  const given = Object.entries(asked).filter(([, value]) => value !== undefined);
  if (given.length === 0) return undefined;
  return { ...(before as RunBudget | undefined), ...Object.fromEntries(given) };
}

/** The budget of a tree in one line; undefined: it has none. */
export function showBudget({ budget }: RunTree): string | undefined {
  if (budget === null) return undefined;
  const { tokens, usd, turns, calls, wallClockSeconds } = budget;
  const parts = [
    part("tokens", tokens.limit, tokens.used, tokens.reserved),
    part("USD", usd.limit, usd.used, usd.reserved),
    part("turns", turns.limit, turns.used, 0),
    part("calls", calls.limit, calls.used, 0),
    ...(wallClockSeconds === null ? [] : [`${showDuration(wallClockSeconds * 1000)} in all`]),
  ];
  return `budget: ${parts.filter((one) => one !== undefined).join(" · ")}`;
}

function part(name: string, limit: number | null, used: number, reserved: number) {
  if (limit === null) return undefined;
  return `${used} of ${limit} ${name}${reserved === 0 ? "" : ` (and ${reserved} reserved)`}`;
}

function number(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) {
    throw new InvalidArgumentError("Expected a number above 0");
  }
  return value;
}
