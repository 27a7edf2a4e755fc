import type { Kysely } from "kysely";
import { assert } from "../base/assert.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import type { RunTree } from "../contract/run-tree.ts";
import type { BudgetAsk, Budgets, Reservation, Reserved, TreeLimits } from "./budgets.ts";
import { nothingReserved, type ReservedSum, roomFor, shortOf } from "./budgets-room.ts";
import { appendTo, type Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Tx } from "./writer.ts";

/** The budgets of run trees: reserved here, settled with the events of their runs (`writeBudget`). */
export function openBudgets({ writer, reads, statements, clock }: Parts): Budgets {
  const now = () => new Date(clock.now()).toISOString();
  return {
    of: (rootRunId) => limitsOf(reads, statements, rootRunId),
    reserve: (ask) => writer.write((tx) => reserve(tx, statements, ask, now())),
    release: (runId) =>
      writer.write(async (tx) => {
        await statements.dropBudgetReservation.all(tx, { runId });
      }),
    async reservation(runId) {
      const row = await statements.budgetReservation.first(reads, { runId });
      return row && { turn: row.turn, tokens: row.tokens, nanoUsd: row.nano_usd };
    },
    shown: (workspaceId, rootRunId) => shown(reads, statements, workspaceId, rootRunId),
  };
}

async function limitsOf(
  db: Kysely<Schema>,
  statements: Statements,
  rootRunId: string,
): Promise<TreeLimits | undefined> {
  const row = await statements.budgetRow.first(db, { rootRunId });
  const root = row && (await statements.runRow.first(db, { runId: rootRunId }));
  if (row === undefined || root === undefined) return undefined;
  const { wall_clock_ms: ms } = row;
  const started = root.started_at;
  return {
    reserves: row.tokens !== null || row.nano_usd !== null || row.turns !== null,
    hasPrice: row.nano_usd !== null,
    endsAt: ms === null || started === null ? null : Date.parse(started) + ms,
    wallClockSeconds: ms === null ? null : ms / 1000,
  };
}

async function reserve(
  tx: Tx,
  statements: Statements,
  ask: BudgetAsk,
  time: string,
): Promise<Reserved> {
  const { runId, rootRunId, workspaceId, turn, input, output } = ask;
  const budget = await statements.budgetRow.first(tx, { rootRunId });
  // A tree is deleted as a whole, once all of it has ended.
  assert(budget, `The tree of ${rootRunId} has a budget as long as it has a run at work`);
  const reserved = (await statements.reservedOfTree.first(tx, { rootRunId })) ?? nothingReserved;
  const room = roomFor(budget, reserved, ask);
  const isEnough = room >= output.wanted || (room >= output.min && (ask.last || isAlone(reserved)));
  if (!isEnough) {
    const later = roomFor(budget, nothingReserved, ask);
    const helps = !ask.last && later > room && later >= output.min;
    if (helps) return { type: "busy" };
    return { type: "refused", message: shortOf(budget, reserved, ask) };
  }
  const tokens = input.tokens + room;
  const nanoUsd = (input.nanoUsd ?? 0) + room * ask.nanoUsdPerOutputToken;
  await statements.putBudgetReservation.all(tx, {
    ...{ run_id: runId, root_run_id: rootRunId, workspace_id: workspaceId },
    ...{ turn, tokens, nano_usd: nanoUsd, at: time },
  });
  return { type: "reserved", output: room, tokens, nanoUsd };
}

/** What nobody else has reserved is all that there will be: a shorter answer is better than none. */
function isAlone({ runs }: ReservedSum): boolean {
  return runs === 0;
}

/** The event of a turn of which nobody knows what it cost. */
export function lostTurn(
  { turn, tokens, nanoUsd }: Reservation,
  reason: Extract<NewEvent, { type: "turn.lost" }>["data"]["reason"],
): NewEvent {
  return { type: "turn.lost", data: { turn, reason, tokens, cost_usd: nanoUsd / 1e9 } };
}

/**
 * Counts in full what an earlier process had reserved when it died: the model may have answered, and been paid. Before
 * anything else is done, so that nobody waits for a turn of which nothing will come.
 */
export async function settleLost(
  tx: Tx,
  statements: Statements,
  time: string,
): Promise<RunEvent[]> {
  const rows = await tx.selectFrom("budget_reservations").selectAll().orderBy("run_id").execute();
  const events: RunEvent[] = [];
  for (const { run_id: runId, turn, tokens, nano_usd } of rows) {
    const row = await statements.runRow.first(tx, { runId });
    if (row === undefined || isEnd(row.status)) continue;
    const lost = lostTurn({ turn, tokens, nanoUsd: nano_usd }, "crashed");
    events.push(...(await appendTo(tx, statements, row, [lost], time)));
  }
  return events;
}

async function shown(
  db: Kysely<Schema>,
  statements: Statements,
  workspaceId: string,
  rootRunId: string,
): Promise<RunTree["budget"]> {
  const row = await statements.budgetRow.first(db, { rootRunId });
  if (row === undefined || row.workspace_id !== workspaceId) return null;
  const reserved = (await statements.reservedOfTree.first(db, { rootRunId })) ?? nothingReserved;
  const usd = (nano: number) => nano / 1e9;
  return {
    tokens: { limit: row.tokens, used: row.used_tokens, reserved: reserved.tokens },
    usd: {
      limit: row.nano_usd === null ? null : usd(row.nano_usd),
      used: usd(row.used_nano_usd),
      reserved: usd(reserved.nano_usd),
    },
    turns: { limit: row.turns, used: row.used_turns },
    calls: { limit: row.calls, used: row.used_calls },
    wallClockSeconds: row.wall_clock_ms === null ? null : row.wall_clock_ms / 1000,
  };
}
