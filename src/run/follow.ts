import type { LiveEvent, RunEvent } from "../contract/event.ts";
import { isEnd, type Run } from "../contract/run.ts";
import type { Journal } from "../store/store.ts";
import type { Live } from "./live.ts";
import type { SharedRead } from "./share-reads.ts";

/** Live events that wait for a slow reader; the oldest are dropped beyond that. */
const liveWaiting = 512;

/**
 * History after `since`, then what happens, until `run.finished`. Durable events are read from the journal by cursor
 * (a wake-up is only a hint), so there is no gap and nothing to buffer; live events wait in a bounded queue and are
 * dropped once the durable event that replaces them has been sent.
 */
export async function* follow(
  journal: Pick<Journal, "onAppend"> & { read: SharedRead },
  live: Live,
  run: Run,
  since: number,
  signal: AbortSignal,
): AsyncGenerator<RunEvent | LiveEvent, void, undefined> {
  let cursor = since;
  let queue: LiveEvent[] = [];
  let appended = true;
  /** What was appended before `onAppend` was heard is known only once a page was empty. */
  let caughtUp = false;
  let newest = run.lastSeq;
  let wake: () => void = () => undefined;
  const stopAppends = journal.onAppend(run.id, (lastSeq) => {
    appended = true;
    newest = lastSeq;
    wake();
  });
  const stopLive = live.subscribe(run.id, (event) => {
    queue.push(event);
    if (queue.length > liveWaiting) queue.shift();
    wake();
  });
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort);
  try {
    if (isEnd(run.status) && since >= run.lastSeq) return;
    while (!signal.aborted) {
      if (appended) {
        appended = false;
        const known = newest;
        const page = await journal.read(run.id, cursor, known);
        // There was more, and yet nothing to read: the run ended and was deleted before a slow reader came to its end.
        if (page.length === 0 && known > cursor) return;
        for (const event of page) {
          cursor = event.seq;
          queue = queue.filter((waiting) => !replaces(event, waiting));
          yield event;
          if (event.type === "run.finished" || signal.aborted) return;
        }
        caughtUp ||= page.length === 0;
        appended ||= !caughtUp || cursor < newest;
        continue;
      }
      const event = queue.shift();
      if (event !== undefined) {
        yield event;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (appended || queue.length > 0 || signal.aborted) resolve();
      });
    }
  } finally {
    stopAppends();
    stopLive();
    signal.removeEventListener("abort", onAbort);
  }
}

/** Whether a durable event says for good what a waiting live event said in passing. */
function replaces(event: RunEvent, waiting: LiveEvent): boolean {
  if (event.type === "turn.replied" && "turn" in waiting.data) {
    return waiting.data.turn <= event.data.turn;
  }
  if (event.type === "call.finished" && "call_id" in waiting.data) {
    return waiting.data.call_id === event.data.call_id;
  }
  return event.type === "run.finished";
}
