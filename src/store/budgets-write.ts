import type { NewEvent, RunEvent } from "../contract/event.ts";
import type { AppendTo } from "./append.ts";
import { type BudgetUse, budgetOf, usedBy } from "./budgets-fold.ts";
import type { RunsTable } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Tx } from "./writer.ts";

/** The append was refused as a whole: a call in it is more than the budget of its tree has left. Nothing was written. */
export class BudgetSpent extends Error {
  override name = "BudgetSpent";
}

/** Holds the calls that would start against what the tree has left. Throws `BudgetSpent`. */
export async function refuseOverBudget(
  tx: Tx,
  statements: Statements,
  { root_run_id: rootRunId }: RunsTable,
  events: NewEvent[],
): Promise<void> {
  const asked = events.filter(({ type }) => type === "call.started").length;
  if (asked === 0) return;
  const row = await statements.budgetCalls.first(tx, { rootRunId });
  if (row === undefined || row.calls === null) return;
  const { calls, used_calls: used } = row;
  if (used + asked <= calls) return;
  throw new BudgetSpent(
    `The budget of the run tree has no call left: calls: ${used} of ${calls} used, ${asked} asked`,
  );
}

/**
 * Writes what an event says of the budget of its tree, in the transaction of the append: a turn is settled with its reply,
 * and what was reserved for it goes. A tree without a budget costs one look that finds nothing.
 */
export async function writeBudget(
  tx: Tx,
  statements: Statements,
  run: AppendTo,
  event: RunEvent,
): Promise<void> {
  const made = budgetOf(run, event);
  if (made !== undefined) await statements.insertBudget.all(tx, made);
  const used = usedBy(event);
  if (used === undefined) return;
  const { runId, rootRunId, workspaceId } = run;
  const hasOne = await statements.addToBudget.first(tx, { rootRunId, ...used });
  if (hasOne === undefined) return;
  await statements.addToBudgetOfRun.all(tx, {
    ...{ run_id: runId, root_run_id: rootRunId, workspace_id: workspaceId },
    ...{ tokens: used.tokens, nano_usd: used.nanoUsd, turns: used.turns, calls: used.calls },
  });
  if (event.type !== "call.started") await settleReservation(tx, statements, runId, event, used);
}

/** An attempt that is made again takes its own part of what the turn has reserved; everything else settles the turn. */
async function settleReservation(
  tx: Tx,
  statements: Statements,
  runId: string,
  event: RunEvent,
  used: BudgetUse,
): Promise<void> {
  const held = await statements.budgetReservation.first(tx, { runId });
  await statements.dropBudgetReservation.all(tx, { runId });
  if (held === undefined || event.type !== "turn.lost" || event.data.reason !== "retried") return;
  const tokens = held.tokens - used.tokens;
  if (tokens <= 0) return;
  const nano_usd = Math.max(0, held.nano_usd - used.nanoUsd);
  await statements.putBudgetReservation.all(tx, { ...held, tokens, nano_usd });
}
