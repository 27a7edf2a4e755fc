import { createParser, type EventSourceMessage } from "eventsource-parser";
import { type LiveEvent, liveEventTypes, type RunEvent } from "../contract/event.ts";
import { isEnd, type Run } from "../contract/run.ts";
import { chunks } from "./chunks.ts";
import { AirlockApiError, AirlockNetworkError } from "./errors.ts";
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
  /** Aborting ends the loop; it does not throw. */
  signal?: AbortSignal;
  /** Told about every lost connection, and when the next try is made. */
  onReconnect?: (lost: { attempt: number; waitMs: number; reason: string }) => void;
}

/** No event comes near this: what is larger is not our stream (I9). */
const eventCharsMax = 64 * 1024 * 1024;

/** A connection that brought something is taken up again almost at once. */
const firstRetryMs = 25;

export interface StreamDoors {
  transport: Transport;
  runId: string;
  getRun: (signal: AbortSignal | undefined) => Promise<Run>;
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
  const state = { cursor: options.since ?? 0, attempt: 0, ended: false };
  while (!signal?.aborted) {
    let reason = "the stream ended early";
    try {
      const before = state.cursor;
      for await (const event of connection(doors, state, options)) {
        // What was read before the abort is not handed out after it.
        if (signal?.aborted) return;
        yield event;
        if (event.type === "run.finished") return;
      }
      if (await nothingMoreComes(doors, state, before, signal)) return;
    } catch (error) {
      if (signal?.aborted) return;
      if (!passes(error)) throw error;
      reason = error instanceof Error ? error.message : String(error);
    }
    state.attempt += 1;
    const waitMs = backOff(state.attempt, firstRetryMs);
    options.onReconnect?.({ attempt: state.attempt, waitMs, reason });
    await pause(waitMs, signal).catch(() => undefined);
  }
}

/** One connection: what it says after the cursor, until it ends or skips a number. */
async function* connection(
  { transport, runId }: StreamDoors,
  state: { cursor: number; attempt: number },
  options: StreamOptions,
): AsyncGenerator<RunEvent | LiveEvent> {
  const response = await transport.open({
    method: "GET",
    path: `/api/runs/${encodeURIComponent(runId)}/events`,
    query: { since: state.cursor },
    headers: {
      accept: "text/event-stream",
      ...(state.cursor > 0 ? { "last-event-id": String(state.cursor) } : {}),
    },
    maxRetries: 0,
    signal: options.signal,
  });
  for await (const message of messages(response, transport.idleMs, options.signal)) {
    if (isLive(message)) {
      if (options.live) yield eventOf(message) as LiveEvent;
      continue;
    }
    const seq = Number(message.id);
    if (!Number.isSafeInteger(seq) || seq <= state.cursor) continue;
    if (seq !== state.cursor + 1) {
      throw new AirlockNetworkError({
        code: "stream_gap",
        message: `The stream skipped from event ${state.cursor} to ${seq}`,
      });
    }
    const event = eventOf(message) as RunEvent;
    // Counted before it is handed out: a consumer that breaks off here has seen it.
    state.cursor = seq;
    state.attempt = 0;
    yield event;
  }
}

async function* messages(
  response: Response,
  idleMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<EventSourceMessage> {
  const ready: EventSourceMessage[] = [];
  const parser = createParser({
    onEvent: (message) => ready.push(message),
    maxBufferSize: eventCharsMax,
  });
  const decoder = new TextDecoder();
  for await (const chunk of chunks(response, idleMs, signal)) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* ready.splice(0);
  }
}

/**
 * A stream that ended well without `run.finished`: the gateway is going down, or all there is to
 * tell lies before the cursor. The second is only believed when the run's own record says so, or
 * when a connection made after its end was known brought nothing.
 */
async function nothingMoreComes(
  { getRun }: StreamDoors,
  state: { cursor: number; ended: boolean },
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
  if (error instanceof AirlockNetworkError) return true;
  if (!(error instanceof AirlockApiError)) return false;
  return error.status === 429 || (error.status ?? 0) >= 500;
}

function isLive(message: EventSourceMessage): boolean {
  return (liveEventTypes as readonly string[]).includes(message.event ?? "");
}

function eventOf(message: EventSourceMessage): unknown {
  try {
    return JSON.parse(message.data);
  } catch (error) {
    throw new AirlockNetworkError({
      code: "stream_garbled",
      message: "The stream brought an event that is not JSON",
      cause: error,
    });
  }
}
