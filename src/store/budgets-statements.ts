import { type Kysely, sql } from "kysely";
import type { BudgetUse } from "./budgets-fold.ts";
import { type Prepared, prepare } from "./prepared.ts";
import type { BudgetReservationsTable, BudgetsTable, BudgetUsedTable, Schema } from "./schema.ts";

/** The statements that every turn and every call of a tree with a budget goes through. */
export interface BudgetStatements {
  budgetRow: Prepared<{ rootRunId: string }, BudgetsTable>;
  budgetCalls: Prepared<{ rootRunId: string }, { calls: number | null; used_calls: number }>;
  insertBudget: Prepared<BudgetsTable, unknown>;
  /** Nothing comes back for a tree that has no budget. */
  addToBudget: Prepared<BudgetUse & { rootRunId: string }, { root_run_id: string }>;
  addToBudgetOfRun: Prepared<BudgetUsedTable, unknown>;
  reservedOfTree: Prepared<
    { rootRunId: string },
    { runs: number; tokens: number; nano_usd: number }
  >;
  budgetReservation: Prepared<{ runId: string }, BudgetReservationsTable>;
  putBudgetReservation: Prepared<BudgetReservationsTable, unknown>;
  dropBudgetReservation: Prepared<{ runId: string }, unknown>;
}

export function compileBudgetStatements(db: Kysely<Schema>): BudgetStatements {
  return {
    budgetRow: prepare((v) =>
      db.selectFrom("budgets").selectAll().where("root_run_id", "=", v.rootRunId),
    ),
    budgetCalls: prepare((v) =>
      db
        .selectFrom("budgets")
        .select(["calls", "used_calls"])
        .where("root_run_id", "=", v.rootRunId),
    ),
    insertBudget: prepare((v) =>
      db.insertInto("budgets").values({
        ...{ root_run_id: v.root_run_id, workspace_id: v.workspace_id, tokens: v.tokens },
        ...{ nano_usd: v.nano_usd, turns: v.turns, calls: v.calls },
        ...{ wall_clock_ms: v.wall_clock_ms, used_tokens: v.used_tokens },
        ...{ used_nano_usd: v.used_nano_usd, used_turns: v.used_turns, used_calls: v.used_calls },
      }),
    ),
    addToBudget: prepare((v) =>
      db
        .updateTable("budgets")
        .set((eb) => ({
          used_tokens: eb("used_tokens", "+", v.tokens),
          used_nano_usd: eb("used_nano_usd", "+", v.nanoUsd),
          used_turns: eb("used_turns", "+", v.turns),
          used_calls: eb("used_calls", "+", v.calls),
        }))
        .where("root_run_id", "=", v.rootRunId)
        .returning("root_run_id"),
    ),
    addToBudgetOfRun: prepare((v) =>
      db
        .insertInto("budget_used")
        .values({
          ...{ run_id: v.run_id, root_run_id: v.root_run_id, workspace_id: v.workspace_id },
          ...{ tokens: v.tokens, nano_usd: v.nano_usd, turns: v.turns, calls: v.calls },
        })
        .onConflict((conflict) =>
          conflict.column("run_id").doUpdateSet({
            tokens: sql<number>`budget_used.tokens + excluded.tokens`,
            nano_usd: sql<number>`budget_used.nano_usd + excluded.nano_usd`,
            turns: sql<number>`budget_used.turns + excluded.turns`,
            calls: sql<number>`budget_used.calls + excluded.calls`,
          }),
        ),
    ),
    ...reservations(db),
  };
}

function reservations(
  db: Kysely<Schema>,
): Pick<
  BudgetStatements,
  "reservedOfTree" | "budgetReservation" | "putBudgetReservation" | "dropBudgetReservation"
> {
  return {
    reservedOfTree: prepare((v) =>
      db
        .selectFrom("budget_reservations")
        .select((eb) => [
          eb.fn.countAll<number>().as("runs"),
          sql<number>`coalesce(sum(tokens), 0)`.as("tokens"),
          sql<number>`coalesce(sum(nano_usd), 0)`.as("nano_usd"),
        ])
        .where("root_run_id", "=", v.rootRunId),
    ),
    budgetReservation: prepare((v) =>
      db.selectFrom("budget_reservations").selectAll().where("run_id", "=", v.runId),
    ),
    putBudgetReservation: prepare((v) =>
      db
        .insertInto("budget_reservations")
        .values({
          ...{ run_id: v.run_id, root_run_id: v.root_run_id, workspace_id: v.workspace_id },
          ...{ turn: v.turn, tokens: v.tokens, nano_usd: v.nano_usd, at: v.at },
        })
        .onConflict((conflict) =>
          conflict.column("run_id").doUpdateSet({
            tokens: sql<number>`budget_reservations.tokens + excluded.tokens`,
            nano_usd: sql<number>`budget_reservations.nano_usd + excluded.nano_usd`,
          }),
        ),
    ),
    dropBudgetReservation: prepare((v) =>
      db.deleteFrom("budget_reservations").where("run_id", "=", v.runId),
    ),
  };
}
