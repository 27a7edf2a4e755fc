import { Problem } from "../contract/problem.ts";
import type { Run } from "../contract/run.ts";
import { eventStream } from "./event-stream.ts";
import { checked } from "./field-problems.ts";
import type { Answers, Ask, Front } from "./front.ts";
import { pulledBody } from "./pulled-body.ts";
import { Since } from "./query.ts";

/** The events of a run, as a page or as a stream. */
export function answerEvents(front: Front): Pick<Answers, "runEvents"> {
  return {
    async runEvents(ask) {
      const { c, caller, params, query } = ask;
      const since = cursor(ask);
      const run = await front.corridor.get(caller.token.workspaceId, params.id);
      refuseFuture(since, run);
      if (wantsStream(c.req.header("accept"))) return stream(front, ask, run, since);
      const page = await front.corridor.events(run.workspaceId, run.id, since, query.limit);
      const last = page.events.at(-1);
      return c.json({
        events: page.events,
        ...(page.more && last ? { nextCursor: String(last.seq) } : {}),
      });
    },
  };
}

function cursor({ c, query }: Ask<"runEvents">): number {
  const header = c.req.header("last-event-id");
  if (header === undefined || header === "") return query.since ?? 0;
  return checked(Since, header, "header Last-Event-ID");
}

/** A cursor from another run or another gateway would wait for ever for events that were already there. */
function refuseFuture(since: number, run: Run): void {
  if (since <= run.lastSeq) return;
  throw new Problem(
    "invalid_request",
    `Cannot read events after ${since}: the last event of this run is ${run.lastSeq}`,
    { lastSeq: run.lastSeq },
  );
}

/** JSON unless the client names the stream's type and does not prefer JSON: a bare wildcard is a program that reads once. */
function wantsStream(accept: string | undefined): boolean {
  const quality = (type: string) => {
    const range = accept?.split(",").find((part) => part.split(";")[0]?.trim() === type);
    return range === undefined ? 0 : Number(/;\s*q=([0-9.]+)/.exec(range)?.[1] ?? 1);
  };
  const wanted = quality("text/event-stream");
  return wanted > 0 && wanted >= quality("application/json");
}

async function stream(front: Front, ask: Ask<"runEvents">, run: Run, since: number) {
  const { c, caller } = ask;
  const cap = front.limits.eventStreams;
  if (front.streams.open >= cap) {
    throw new Problem(
      "too_many_requests",
      `There are ${cap} open event streams, which is the most this gateway serves`,
      { limit: cap },
    );
  }
  front.streams.open += 1;
  const gone = new AbortController();
  try {
    const events = (await front.corridor.follow(run.workspaceId, run.id, since, gone.signal))[
      Symbol.asyncIterator
    ]();
    const text = eventStream({
      events,
      clock: front.clock,
      closing: front.closing,
      gone: gone.signal,
      isAllowed: caller.isLive,
    });
    const stop = () => {
      front.streams.open -= 1;
      gone.abort();
      Promise.resolve(events.return?.()).catch((error: unknown) =>
        front.log.error({ run: run.id, err: error }, "http.follow_not_ended"),
      );
    };
    return c.body(pulledBody(c, front.log, text, stop), 200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "X-Accel-Buffering": "no",
    });
  } catch (error) {
    front.streams.open -= 1;
    throw error;
  }
}
