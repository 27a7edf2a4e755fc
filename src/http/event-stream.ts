import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { LiveEvent, RunEvent } from "../contract/event.ts";

const utf8 = new TextEncoder();
/** How long an `EventSource` waits before it connects again. */
const reconnectMs = 2000;

export interface EventStreamOptions {
  events: AsyncIterator<RunEvent | LiveEvent>;
  clock: Clock;
  /** The gateway stops: the stream says so and ends. */
  closing: AbortSignal;
  /** The client has gone: the stream just ends. */
  gone: AbortSignal;
  /** Asked at every heartbeat at the latest; when it says no, the stream ends. */
  isAllowed(): Promise<boolean>;
}

/**
 * Events as the text of a server-sent event stream, with a comment in every pause of `limits.eventHeartbeatMs`, so that
 * proxies keep the connection and a dead client is noticed. Holds one event at a time.
 */
export async function* eventStream(options: EventStreamOptions): AsyncGenerator<Uint8Array> {
  const { events, clock, closing, gone } = options;
  const waiting = openWait(events, clock, [closing, gone]);
  let checkedAt = clock.monotonic();
  try {
    yield utf8.encode(`retry: ${reconnectMs}\n\n`);
    for (;;) {
      const result = await waiting.next(limits.eventHeartbeatMs);
      if (gone.aborted) return;
      if (closing.aborted) {
        yield utf8.encode(": the gateway is stopping, connect again\n\n");
        return;
      }
      if (clock.monotonic() - checkedAt >= limits.eventHeartbeatMs) {
        checkedAt = clock.monotonic();
        if (!(await options.isAllowed())) {
          yield utf8.encode(": the token was revoked\n\n");
          return;
        }
      }
      if (result === "pause") yield utf8.encode(": ping\n\n");
      else if (result.done) return;
      else yield encoded(result.value);
    }
  } finally {
    waiting.close();
  }
}

const frames = new WeakMap<RunEvent | LiveEvent, Uint8Array>();

/** Followers of one run are given the same event objects: one frame serves all of them, and those that never read it. */
function encoded(event: RunEvent | LiveEvent): Uint8Array {
  const known = frames.get(event);
  if (known) return known;
  const bytes = utf8.encode(frame(event));
  frames.set(event, bytes);
  return bytes;
}

/** A durable event carries its number as `id`; a live one has none, so a client never resumes from it. */
export function frame(event: RunEvent | LiveEvent): string {
  const id = "seq" in event ? `id: ${event.seq}\n` : "";
  return `${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/**
 * Waits for the next event or a pause, whichever is first. One `next()` is open at a time and keeps open over pauses; it
 * is not raced again at each of them, because every race would leave a reaction on it for as long as a run is silent.
 */
function openWait<T>(events: AsyncIterator<T>, clock: Clock, wakers: AbortSignal[]) {
  let asleep = new AbortController();
  let asked = false;
  let settled: { result: IteratorResult<T> } | { error: unknown } | undefined;
  const wake = () => asleep.abort();
  for (const waker of wakers) waker.addEventListener("abort", wake);
  const settle = (value: NonNullable<typeof settled>) => {
    settled = value;
    wake();
  };
  return {
    async next(pauseMs: number): Promise<IteratorResult<T> | "pause"> {
      asleep = new AbortController();
      if (!asked) {
        asked = true;
        events.next().then(
          (result) => settle({ result }),
          (error: unknown) => settle({ error }),
        );
      }
      if (!settled && !wakers.some((waker) => waker.aborted)) {
        // The rejection of a sleep that was woken says nothing that `settled` and the signals do not.
        await clock.sleep(pauseMs, asleep.signal).catch(() => undefined);
      }
      if (!settled) return "pause";
      const now = settled;
      settled = undefined;
      asked = false;
      if ("error" in now) throw now.error;
      return now.result;
    },
    close() {
      for (const waker of wakers) waker.removeEventListener("abort", wake);
    },
  };
}
