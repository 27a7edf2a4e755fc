import type { RunTree } from "../contract/run-tree.ts";

/** What a turn may cost at most, before its model is asked. */
export interface BudgetAsk {
  runId: string;
  rootRunId: string;
  workspaceId: string;
  turn: number;
  /** Of what is sent; `nanoUsd` null: nobody knows, which a budget in USD does not allow. */
  input: { tokens: number; nanoUsd: number | null };
  nanoUsdPerOutputToken: number;
  /** Tokens of the answer: what is wanted, and below what there is no point in asking. */
  output: { min: number; wanted: number };
  /** Takes what is left now, however little, in place of waiting for what others have reserved. */
  last: boolean;
  /** On top of what the run has reserved for this turn already. */
  more: boolean;
}

export type Reserved =
  /** Durable. The answer may have so many tokens. */
  | { type: "reserved"; output: number; tokens: number; nanoUsd: number }
  /** It does not fit now, and may when what others have reserved is settled. */
  | { type: "busy" }
  /** It does not fit, and will not. */
  | { type: "refused"; message: string };

/** What a run has reserved for a turn that has no event yet. */
export interface Reservation {
  turn: number;
  tokens: number;
  nanoUsd: number;
}

/** The limits of a tree that a run has to know while it is driven. */
export interface TreeLimits {
  /** A turn has to be reserved: tokens, money or turns have a limit. */
  reserves: boolean;
  hasPrice: boolean;
  /** When the wall clock of the tree is over, as milliseconds; null: never, or it has not begun. */
  endsAt: number | null;
  wallClockSeconds: number | null;
}

/**
 * Budgets of run trees. What is used follows from the events of the tree; what is reserved stands for a model that is being
 * asked. Together they are never above a limit, however many runs ask at once and whatever dies in between.
 */
export interface Budgets {
  /** Undefined: the tree has none. */
  of(rootRunId: string): Promise<TreeLimits | undefined>;
  /** Atomic and durable. A second one of the same run is added to the first. */
  reserve(ask: BudgetAsk): Promise<Reserved>;
  /** Certainly nothing was spent: it is given back. */
  release(runId: string): Promise<void>;
  reservation(runId: string): Promise<Reservation | undefined>;
  /** As people are shown it; null: the tree has none, or is not there. */
  shown(workspaceId: string, rootRunId: string): Promise<RunTree["budget"]>;
}
