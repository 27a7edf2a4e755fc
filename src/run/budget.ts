import type { Clock } from "../base/clock.ts";
import type { NewEvent } from "../contract/event.ts";
import type { Model, ModelRequest } from "../model/model.ts";
import { type Budgets, lostTurn, type TreeLimits } from "../store/store.ts";
import { type InputBound, openInputBound } from "./budget-bound.ts";
import type { BudgetLine } from "./budget-line.ts";
import { type BudgetTurn, reserveTurn } from "./budget-turn.ts";
import type { Ledger } from "./ledger.ts";
import type { End } from "./next-step.ts";

/** The budget of the tree in the hands of the drive of one of its runs. */
export interface RunBudget {
  /** When the time of the tree is over: no wait of a run goes beyond it. */
  until: string | null;
  /** Why the tree may go on no more; undefined: it may. */
  over(): string | undefined;
  /** Reserves a turn; undefined when there is nothing to reserve. Rejects with the signal's reason. */
  turn(model: Model, request: ModelRequest, turn: number): Promise<BudgetTurn | End | undefined>;
  /** A turn was settled, or what it had reserved was given back. */
  moved(): void;
}

const day = 24 * 60 * 60_000;

/**
 * Opens the budget of a run's tree; undefined when it has none. What an earlier drive had reserved, and did not come to
 * settle, counts in full. The time of the tree runs on the wall clock, from the start of its root.
 */
export async function openRunBudget(options: {
  budgets: Budgets;
  line: BudgetLine;
  ledger: Ledger;
  runId: string;
  workspaceId: string;
  clock: Clock;
  interrupt: (reason: string) => void;
  signal: AbortSignal;
  /** Aborts when the run is not driven any more. */
  over: AbortSignal;
}): Promise<RunBudget | undefined> {
  const { budgets, line, ledger, runId, clock } = options;
  const { rootRunId } = ledger.state;
  const tree = await budgets.of(rootRunId);
  if (tree === undefined) return undefined;
  const left = await budgets.reservation(runId);
  const append = async (...events: NewEvent[]) => {
    if (events.length === 0) return;
    await ledger.append(...events);
    line.moved(rootRunId);
  };
  if (left !== undefined) await append(lostTurn(left, "crashed"));
  const { endsAt } = tree;
  void watchEnd(options, endsAt);
  let bound: InputBound | undefined;
  return {
    until: endsAt === null ? null : new Date(endsAt).toISOString(),
    over: () => (endsAt !== null && clock.now() >= endsAt ? timeIsOver(tree) : undefined),
    async turn(model, request, turn) {
      const { bounds } = model;
      if (!tree.reserves || bounds === undefined) return undefined;
      bound ??= openInputBound(bounds.ids);
      const of = { runId, rootRunId, workspaceId: options.workspaceId, turn };
      const asked = { ...model, bounds };
      const { hasPrice: needsPrice } = tree;
      const { signal } = options;
      return reserveTurn(
        { budgets, line, bound, model: asked, of, needsPrice, append, signal },
        request,
      );
    },
    moved: () => line.moved(rootRunId),
  };
}

function timeIsOver({ wallClockSeconds }: TreeLimits): string {
  return `The budget of the run tree is used up: wallClockSeconds: ${wallClockSeconds} s since its start are over`;
}

/** Interrupts what the run is doing when the time is over. Looks at the clock now and then: it may be set. */
async function watchEnd(
  { clock, interrupt, over }: Parameters<typeof openRunBudget>[0],
  endsAt: number | null,
): Promise<void> {
  if (endsAt === null) return;
  try {
    while (clock.now() < endsAt) await clock.sleep(Math.min(day, endsAt - clock.now()), over);
    interrupt("The run tree used up its time");
  } catch (error) {
    // The run was over before the time was.
    if (!over.aborted) throw error;
  }
}
