import { Problem } from "../contract/problem.ts";
import type { RunBudget } from "../contract/submission.ts";

/**
 * The budget of a new run tree: what was asked for, and the operator's for the rest. It is written down with the
 * submission, so a later change of the operator's is for later trees. Throws `invalid_request` when more is asked than the
 * operator gives.
 */
export function effectiveBudget(
  asked: RunBudget | undefined,
  most: RunBudget,
): { budget?: RunBudget } {
  const given = Object.entries(asked ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  for (const [name, value] of given) {
    const max = most[name as keyof RunBudget];
    if (max === undefined || value <= max) continue;
    throw new Problem(
      "invalid_request",
      `budget.${name}: ${value} is more than this gateway allows (${max})`,
      { fields: [{ path: `budget.${name}`, message: `at most ${max}`, received: String(value) }] },
    );
  }
  const budget: RunBudget = { ...most, ...Object.fromEntries(given) };
  return Object.keys(budget).length === 0 ? {} : { budget };
}

/** The budget of a fork: a tree of its own, with as much as the other one had, and no more than the operator gives today. */
export function forkedBudget(
  asked: RunBudget | undefined,
  most: RunBudget,
): { budget?: RunBudget } {
  const names = ["tokens", "usd", "turns", "calls", "wallClockSeconds"] as const;
  const limits = names.flatMap((name) => {
    const given = [asked?.[name], most[name]].filter((value) => value !== undefined);
    return given.length === 0 ? [] : [[name, Math.min(...given)] as const];
  });
  return limits.length === 0 ? {} : { budget: Object.fromEntries(limits) as RunBudget };
}
