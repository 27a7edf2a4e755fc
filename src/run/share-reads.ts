import { limits } from "../base/limits.ts";
import type { RunEvent } from "../contract/event.ts";
import type { Journal } from "../store/store.ts";

const pageRows = 200;

/** Reads the events after `cursor`, for a follower that has been told of all up to `known`. */
export type SharedRead = (runId: string, cursor: number, known: number) => Promise<RunEvent[]>;

/**
 * Followers that stand at the same place of a run share one read and its events: an append wakes thousands of them, and
 * those that never read on then hold the same page and not a copy each. Only readers who know of the same events share,
 * so that nobody is given a page that was read before the event of which it was told.
 */
export function shareReads(journal: Pick<Journal, "read">): SharedRead {
  const reading = new Map<string, Promise<RunEvent[]>>();
  return (runId, cursor, known) => {
    const key = `${runId} ${cursor} ${known}`;
    const begun = reading.get(key);
    if (begun) return begun;
    const page = journal
      .read(runId, cursor, pageRows, limits.streamPageBytes)
      .finally(() => reading.delete(key));
    reading.set(key, page);
    return page;
  };
}
