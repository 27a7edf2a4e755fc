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
  /**
   * The same, unless what was folded meanwhile makes it wrong: asked before every try. False: nothing was appended. For
   * what may only happen if nobody else has said something first.
   */
  appendUnless(isWrong: (state: RunState) => boolean, ...events: NewEvent[]): Promise<boolean>;
  /**
   * Folds events now and writes them with the next append, in one transaction. Only for what is made again when the process
   * dies before: nothing that costs, or has an effect, may follow from it until something else was appended (I2).
   */
  later(...events: NewEvent[]): Promise<void>;
  /** Writes what is to be written later. */
  flush(): Promise<void>;
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

  /** Folded, and not written yet. */
  let held: NewEvent[] = [];

  const hold = (event: NewEvent) => {
    const at = { runId, seq: state.seq + 1, time: "", hash: "" };
    applyEvent(state, { ...event, ...at } as RunEvent);
  };

  const refresh = async () => {
    if (held.length === 0) {
      for (const event of await readFrom(journal, runId, state.seq)) applyEvent(state, event);
      return;
    }
    // What others appended comes before what is held.
    Object.assign(state, foldState(workspaceId, await readFrom(journal, runId, 0)));
    for (const event of held) hold(event);
  };

  const appendNow = async (events: NewEvent[], isWrong?: (state: RunState) => boolean) => {
    for (;;) {
      if (isWrong?.(state)) return false;
      const fence = { epoch, seq: state.seq - held.length };
      const all = [...held, ...events];
      const result = await patiently(() => journal.append(runId, fence, all));
      if (result.type === "fenced") throw new LetGo(`Run ${runId} is held by another worker`);
      if (result.type === "appended") {
        for (const event of result.events.slice(held.length)) applyEvent(state, event);
        held = [];
        return true;
      }
      await refresh();
    }
  };

  /** One after the other: a connection may end, and be written down, while the step that made it writes as well. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };

  return {
    state,
    async append(...events) {
      await inTurn(() => appendNow(events));
    },
    appendUnless: (isWrong, ...events) => inTurn(() => appendNow(events, isWrong)),
    later: (...events) =>
      inTurn(async () => {
        for (const event of events) {
          hold(event);
          held.push(event);
        }
      }),
    async flush() {
      await inTurn(async () => held.length > 0 && (await appendNow([])));
    },
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
