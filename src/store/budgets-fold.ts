import type { RunEvent } from "../contract/event.ts";
import { noModel, type RunBudget } from "../contract/submission.ts";
import type { AppendTo } from "./append.ts";
import type { BudgetsTable } from "./schema.ts";

/** What an event takes from the budget of its tree. */
export interface BudgetUse {
  tokens: number;
  nanoUsd: number;
  turns: number;
  calls: number;
}

const none: BudgetUse = { tokens: 0, nanoUsd: 0, turns: 0, calls: 0 };

/** What this event has used up; undefined: nothing. Pure: the rows are the sums of it, and `verify` makes them again. */
export function usedBy(event: RunEvent): BudgetUse | undefined {
  if (event.type === "call.started") return { ...none, calls: 1 };
  if (event.type === "turn.replied") {
    const { model, usage, cost_usd } = event.data;
    // A program that runs in the place of a model costs no turn.
    if (model === noModel) return undefined;
    const tokens = usage.input_tokens + usage.output_tokens;
    return { tokens, nanoUsd: nanoUsd(cost_usd), turns: 1, calls: 0 };
  }
  if (event.type === "turn.lost") {
    const { tokens, cost_usd, reason } = event.data;
    // The turn goes on, or was replied: it counts there.
    const turns = reason === "retried" || reason === "unreported" ? 0 : 1;
    return { tokens, nanoUsd: nanoUsd(cost_usd), turns, calls: 0 };
  }
  return undefined;
}

/** The budget that a submission makes: a task has none of its own, whatever its submission says (I13). */
export function budgetOf(run: AppendTo, event: RunEvent): BudgetsTable | undefined {
  if (event.type !== "run.submitted" || event.data.parent !== undefined) return undefined;
  const { budget } = event.data.submission;
  if (budget === undefined) return undefined;
  return {
    ...{ root_run_id: run.rootRunId, workspace_id: run.workspaceId },
    ...limitColumns(budget),
    ...{ used_tokens: 0, used_nano_usd: 0, used_turns: 0, used_calls: 0 },
  };
}

function limitColumns({ tokens, usd, turns, calls, wallClockSeconds }: RunBudget) {
  return {
    ...{ tokens: tokens ?? null, turns: turns ?? null, calls: calls ?? null },
    nano_usd: usd === undefined ? null : Math.floor(usd * 1e9),
    wall_clock_ms: wallClockSeconds === undefined ? null : Math.round(wallClockSeconds * 1000),
  };
}

/** Sums of billionths of a dollar are exact. What has no price counts as nothing: no such model is asked below a limit. */
function nanoUsd(usd: number | null | undefined): number {
  return usd === null || usd === undefined ? 0 : Math.round(usd * 1e9);
}
