import { type LiveEvent, liveEventTypes, type RunEvent } from "../contract/event.ts";
import { isEnd, type Run } from "../contract/run.ts";
import { chunks } from "./chunks.ts";
import { AirlockError, ApiError, NetworkError } from "./errors.ts";
import { openEventSourceParser, type SourceEvent } from "./event-source.ts";
import { backOff, pause } from "./pause.ts";
import type { Transport } from "./transport.ts";

export interface StreamOptions {
  /** Only events with a greater `seq`. 0, the default, is the whole history. */
  since?: number;
  /**
   * Model text and command output while they happen. A live event may be missed, a durable one
   * never is.
   */
  live?: boolean;
  /**
   * How often events are asked for, in milliseconds, where something on the way lets no event stream through. Default 1,000.
   * Live events do not come then.
   */
  intervalMs?: number;
  /** Aborting ends the loop; it does not throw. */
  signal?: AbortSignal;
  /** Told about every lost connection, and when the next try is made. */
  onReconnect?: (lost: { attempt: number; waitMs: number; reason: string }) => void;
}

/** No event comes near this: what is larger is not our stream (I9). */
const eventCharsMax = 64 * 1024 * 1024;

/** A connection that brought something is taken up again almost at once. */
const firstRetryMs = 25;
const defaultIntervalMs = 1_000;

export interface StreamDoors {
  transport: Transport;
  runId: string;
  getRun: (signal: AbortSignal | undefined) => Promise<Run>;
}

interface State {
  /** The number of the newest event that was handed out. */
  cursor: number;
  /** Tries since something came. */
  attempt: number;
  /** The run had ended when it was last looked at. */
  ended: boolean;
  /** Something on the way lets no stream through, so it is asked again and again instead. */
  polling: boolean;
}

/**
 * The events of a run until `run.finished`: each durable event exactly once and in order, however
 * often the connection breaks, the gateway restarts or a proxy cuts in. Throws only when trying
 * again cannot help: no such run, no right.
 */
export async function* streamEvents(
  doors: StreamDoors,
  options: StreamOptions,
): AsyncGenerator<RunEvent | LiveEvent> {
  const { signal } = options;
  const { closing } = doors.transport;
  const intervalMs = checkInterval(options.intervalMs);
  const state: State = { cursor: options.since ?? 0, attempt: 0, ended: false, polling: false };
  const stopped = () => signal?.aborted || closing.aborted;
  while (!stopped()) {
    let reason = "the stream ended early";
    try {
      const before = state.cursor;
      const events = state.polling
        ? pages(doors, state, signal)
        : connection(doors, state, options);
      for await (const event of events) {
        // What was read before the abort is not handed out after it.
        if (stopped()) return;
        yield event;
        if (event.type === "run.finished") return;
      }
      if (await nothingMoreComes(doors, state, before, signal)) return;
      if (state.polling) {
        // Events that were written with the end of the run are fetched at once.
        if (!state.ended) await pause(intervalMs, signal, closing).catch(() => undefined);
        continue;
      }
    } catch (error) {
      if (stopped()) return;
      if (error instanceof NoStream) {
        state.polling = true;
        continue;
      }
      if (!passes(error)) throw error;
      reason = error instanceof Error ? error.message : String(error);
    }
    state.attempt += 1;
    const waitMs = backOff(state.attempt, firstRetryMs);
    options.onReconnect?.({ attempt: state.attempt, waitMs, reason });
    await pause(waitMs, signal, closing).catch(() => undefined);
  }
}

function checkInterval(intervalMs = defaultIntervalMs): number {
  if (Number.isFinite(intervalMs) && intervalMs >= 1 && intervalMs <= 2_147_483_647) {
    return intervalMs;
  }
  throw new AirlockError({
    code: "invalid_option",
    message: `Option intervalMs must be a number from 1, and is ${intervalMs}`,
  });
}

/** What answers is the gateway, but no event stream arrives. */
class NoStream extends Error {}

/** One connection: what it says after the cursor, until it ends or skips a number. */
async function* connection(
  { transport, runId }: StreamDoors,
  state: State,
  options: StreamOptions,
): AsyncGenerator<RunEvent | LiveEvent> {
  const response = await transport
    .open({
      method: "GET",
      path: eventsOf(runId),
      query: { since: state.cursor },
      headers: {
        accept: "text/event-stream",
        ...(state.cursor > 0 ? { "last-event-id": String(state.cursor) } : {}),
      },
      maxRetries: 0,
      signal: options.signal,
    })
    .catch((error: unknown) => {
      throw lacksStream(error) ? new NoStream() : error;
    });
  if (!/^text\/event-stream\b/i.test(response.headers.get("content-type") ?? "")) {
    await response.body?.cancel();
    throw new NoStream();
  }
  for await (const message of messages(response, transport, options.signal)) {
    if (isLive(message)) {
      if (options.live) yield eventOf(message) as LiveEvent;
      continue;
    }
    const seq = Number(message.id ?? Number.NaN);
    if (!Number.isSafeInteger(seq) || seq <= state.cursor) continue;
    yield counted(state, eventOf(message) as RunEvent, seq);
  }
}

/** A gateway gives every stream its first bytes at once; without them, something keeps what it gives. */
function lacksStream(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 406;
  return error instanceof NetworkError && error.code === "request_timeout";
}

/** An event that is handed out next. Counted before: a consumer that breaks off there has seen it. */
function counted(state: State, event: RunEvent, seq: number): RunEvent {
  if (seq !== state.cursor + 1) {
    throw new NetworkError({
      code: "stream_gap",
      message: `The stream skipped from event ${state.cursor} to ${seq}`,
    });
  }
  state.cursor = seq;
  state.attempt = 0;
  return event;
}

/** What there is after the cursor now, page by page. */
async function* pages(
  { transport, runId }: StreamDoors,
  state: State,
  signal: AbortSignal | undefined,
): AsyncGenerator<RunEvent> {
  for (;;) {
    const query = { since: state.cursor };
    const page = await transport.json({ method: "GET", path: eventsOf(runId), query, signal });
    const { events = [], nextCursor } = page as { events?: RunEvent[]; nextCursor?: unknown };
    for (const event of events) {
      if (event.seq > state.cursor) yield counted(state, event, event.seq);
    }
    // A page that brings nothing new, such as one that something on the way has kept, is asked for again in time.
    if (nextCursor === undefined || nextCursor === null || state.cursor === query.since) return;
  }
}

function eventsOf(runId: string): string {
  return `/api/runs/${encodeURIComponent(runId)}/events`;
}

async function* messages(
  response: Response,
  { idleMs, closing }: Transport,
  signal: AbortSignal | undefined,
): AsyncGenerator<SourceEvent> {
  // The parser takes the mark at the start away: of two, one is data.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const parser = openEventSourceParser(eventCharsMax);
  let silent = true;
  try {
    for await (const chunk of chunks(response, idleMs, signal, closing)) {
      silent = false;
      yield* parser.feed(decoder.decode(chunk, { stream: true }));
    }
  } catch (error) {
    if (silent && error instanceof NetworkError && error.code === "connection_silent") {
      throw new NoStream();
    }
    if (!(error instanceof RangeError)) throw error;
    throw new NetworkError({ code: "stream_garbled", message: error.message, cause: error });
  }
  if (silent) throw new NoStream();
}

/**
 * A stream that ended well without `run.finished`: the gateway is going down, or all there is to
 * tell lies before the cursor. The second is only believed when the run's own record says so, or
 * when a connection made after its end was known brought nothing: what was recorded between the last
 * read and the end of the run is never lost.
 */
async function nothingMoreComes(
  { getRun }: StreamDoors,
  state: State,
  before: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (state.cursor > before) return false;
  if (state.ended) return true;
  const run = await getRun(signal);
  state.ended = isEnd(run.status);
  return state.ended && state.cursor >= run.lastSeq;
}

/**
 * Whether a trouble may pass by itself. A gateway that restarts is first silent, then busy, then
 * there.
 */
export function passes(error: unknown): boolean {
  if (error instanceof NetworkError) return true;
  if (!(error instanceof ApiError)) return false;
  return error.status === 429 || (error.status ?? 0) >= 500;
}

function isLive(message: SourceEvent): boolean {
  return (liveEventTypes as readonly string[]).includes(message.event ?? "");
}

function eventOf(message: SourceEvent): unknown {
  try {
    return JSON.parse(message.data);
  } catch (error) {
    throw new NetworkError({
      code: "stream_garbled",
      message: "The stream brought an event that is not JSON",
      cause: error,
    });
  }
}
