import type { Kysely } from "kysely";
import type { RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import { type BudgetUse, budgetOf, usedBy } from "./budgets-fold.ts";
import type { BudgetsTable, RunsTable, Schema } from "./schema.ts";

/** What a journal says of the budget of its tree: what its submission made, and what the run has used. */
export interface BudgetFold {
  made: BudgetsTable | undefined;
  used: BudgetUse | undefined;
}

export function emptyBudgetFold(): BudgetFold {
  return { made: undefined, used: undefined };
}

export function foldBudget(fold: BudgetFold, run: RunsTable, event: RunEvent): void {
  const of = { runId: run.id, workspaceId: run.workspace_id, rootRunId: run.root_run_id };
  fold.made ??= budgetOf(of, event);
  const used = usedBy(event);
  if (used === undefined) return;
  const sum = fold.used ?? { tokens: 0, nanoUsd: 0, turns: 0, calls: 0 };
  fold.used = {
    tokens: sum.tokens + used.tokens,
    nanoUsd: sum.nanoUsd + used.nanoUsd,
    turns: sum.turns + used.turns,
    calls: sum.calls + used.calls,
  };
}

type Report = (message: string) => void;

/** Holds the rows of a run, and of its tree when it is the root, against what the journals give. */
export async function compareBudget(
  tx: Kysely<Schema>,
  run: RunsTable,
  fold: BudgetFold,
  report: Report,
): Promise<void> {
  const budget = await tx
    .selectFrom("budgets")
    .selectAll()
    .where("root_run_id", "=", run.root_run_id)
    .executeTakeFirst();
  if (run.id === run.root_run_id) await compareTree(tx, run, fold.made, budget, report);
  if (budget === undefined) return;
  await compareUsed(tx, run, fold.used, report);
  const reservation = await tx
    .selectFrom("budget_reservations")
    .selectAll()
    .where("run_id", "=", run.id)
    .executeTakeFirst();
  if (reservation === undefined) return;
  if (isEnd(run.status)) report("A turn is reserved, but the run has ended");
  const { workspace_id, root_run_id } = reservation;
  if (workspace_id !== run.workspace_id || root_run_id !== run.root_run_id) {
    report("The reservation of a turn is of another tree");
  }
}

async function compareUsed(
  tx: Kysely<Schema>,
  run: RunsTable,
  used: BudgetUse | undefined,
  report: Report,
): Promise<void> {
  const row = await tx
    .selectFrom("budget_used")
    .selectAll()
    .where("run_id", "=", run.id)
    .executeTakeFirst();
  if (row === undefined && used === undefined) return;
  if (row === undefined || used === undefined) {
    report("What it used of the budget is not the journal's");
    return;
  }
  if (row.workspace_id !== run.workspace_id || row.root_run_id !== run.root_run_id) {
    report("What it used of the budget is on the account of another tree");
  }
  const wanted = {
    ...{ tokens: used.tokens, nano_usd: used.nanoUsd, turns: used.turns, calls: used.calls },
  };
  for (const column of Object.keys(wanted) as (keyof typeof wanted)[]) {
    if (row[column] === wanted[column]) continue;
    report(`It used ${row[column]} ${column} of the budget, its journal gives ${wanted[column]}`);
  }
}

/** The limits are those of the submission, the sums those of the runs. */
async function compareTree(
  tx: Kysely<Schema>,
  run: RunsTable,
  made: BudgetsTable | undefined,
  row: BudgetsTable | undefined,
  report: Report,
): Promise<void> {
  if (made === undefined && row === undefined) return;
  if (made === undefined || row === undefined) {
    report("The budget is not the one of its submission");
    return;
  }
  const used = await tx
    .selectFrom("budget_used")
    .select(["tokens", "nano_usd", "turns", "calls"])
    .where("root_run_id", "=", run.id)
    .execute();
  const sum = (of: (one: (typeof used)[number]) => number) =>
    used.reduce((total, one) => total + of(one), 0);
  const expected: BudgetsTable = {
    ...made,
    used_tokens: sum(({ tokens }) => tokens),
    used_nano_usd: sum(({ nano_usd }) => nano_usd),
    used_turns: sum(({ turns }) => turns),
    used_calls: sum(({ calls }) => calls),
  };
  for (const column of Object.keys(expected) as (keyof BudgetsTable)[]) {
    if (row[column] === expected[column]) continue;
    report(`The budget has ${column} ${row[column]}, the journals give ${expected[column]}`);
  }
}
