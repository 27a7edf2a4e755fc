import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import { Problem } from "../contract/problem.ts";
import type { Journal } from "../store/store.ts";
import { applyEvent, foldState, type RunState } from "./state.ts";

/** Thrown when the run is no longer ours to drive: another worker holds it, or the gateway is stopping. */
export class LetGo extends Error {
  override name = "LetGo";
}

/** One run's journal in the hands of its worker: append, and the state that follows from it. */
export interface Ledger {
  readonly state: RunState;
  /**
   * Appends all events or none, and folds them. When somebody else appended first (a cancellation) that is folded and
   * the append is repeated: what happened has happened. While the disk is full it waits and tries again, so that
   * nothing that was done is forgotten. Throws `LetGo` when the run is not ours any more.
   */
  append(...events: NewEvent[]): Promise<void>;
  /** Folds what others appended. */
  refresh(): Promise<void>;
}

const pageRows = 500;
const diskFullWaitFirstMs = 500;
const diskFullWaitMaxMs = 15_000;

/** Reads a run's journal whole and folds it. `stopping` aborts when the gateway wants its workers to let go. */
export async function openLedger(options: {
  journal: Journal;
  runId: string;
  workspaceId: string;
  epoch: number;
  clock: Clock;
  log: Log;
  stopping: AbortSignal;
}): Promise<Ledger> {
  const { journal, runId, workspaceId, epoch, clock, log, stopping } = options;
  const state = foldState(workspaceId, await readFrom(journal, runId, 0));

  const refresh = async () => {
    for (const event of await readFrom(journal, runId, state.seq)) applyEvent(state, event);
  };

  const append = async (...events: NewEvent[]) => {
    for (let waitMs = diskFullWaitFirstMs; ; waitMs = Math.min(waitMs * 2, diskFullWaitMaxMs)) {
      try {
        const result = await journal.append(runId, { epoch, seq: state.seq }, events);
        if (result.type === "fenced") throw new LetGo(`Run ${runId} is held by another worker`);
        if (result.type === "appended") {
          for (const event of result.events) applyEvent(state, event);
          return;
        }
        await refresh();
      } catch (error) {
        if (!(error instanceof Problem && error.code === "storage_full")) throw error;
        log.error({ run: runId, wait_ms: waitMs }, "journal.storage_full");
        await clock.sleep(waitMs, stopping).catch(() => {
          throw new LetGo("The gateway is stopping", { cause: error });
        });
      }
    }
  };

  return { state, append, refresh };
}

async function readFrom(journal: Journal, runId: string, since: number): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (;;) {
    const page = await journal.read(runId, events.at(-1)?.seq ?? since, pageRows);
    events.push(...page);
    if (page.length < pageRows) return events;
  }
}
