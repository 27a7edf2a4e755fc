import type { NewEvent, RunEvent } from "../contract/event.ts";
import type { Journal } from "../store/store.ts";
import type { Patiently } from "./disk-space.ts";
import { LetGo } from "./let-go.ts";
import { applyEvent, foldState, type RunState } from "./state.ts";

/** One run's journal in the hands of its worker: append, and the state that follows from it. */
export interface Ledger {
  readonly state: RunState;
  /**
   * Appends all events or none, and folds them. When somebody else appended first (a cancellation) that is folded and
   * the append is repeated: what happened has happened. Throws `LetGo` when the run is not ours any more.
   */
  append(...events: NewEvent[]): Promise<void>;
  /** Folds what others appended. */
  refresh(): Promise<void>;
}

const pageRows = 500;
/** Reads a run's journal whole and folds it. */
export async function openLedger(options: {
  journal: Journal;
  runId: string;
  workspaceId: string;
  epoch: number;
  patiently: Patiently;
}): Promise<Ledger> {
  const { journal, runId, workspaceId, epoch, patiently } = options;
  const state = foldState(workspaceId, await readFrom(journal, runId, 0));

  const refresh = async () => {
    for (const event of await readFrom(journal, runId, state.seq)) applyEvent(state, event);
  };

  const appendNow = async (events: NewEvent[]) => {
    for (;;) {
      const fence = { epoch, seq: state.seq };
      const result = await patiently(() => journal.append(runId, fence, events));
      if (result.type === "fenced") throw new LetGo(`Run ${runId} is held by another worker`);
      if (result.type === "appended") {
        for (const event of result.events) applyEvent(state, event);
        return;
      }
      await refresh();
    }
  };

  /** One after the other: a connection may end, and be written down, while the step that made it writes as well. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (work: () => Promise<void>) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };

  return {
    state,
    append: (...events) => inTurn(() => appendNow(events)),
    refresh: () => inTurn(refresh),
  };
}

async function readFrom(journal: Journal, runId: string, since: number): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (;;) {
    const page = await journal.read(runId, events.at(-1)?.seq ?? since, pageRows);
    events.push(...page);
    if (page.length === 0) return events;
  }
}
