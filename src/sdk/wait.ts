import { isEnd, type Run } from "../contract/run.ts";
import { AirlockTimeoutError } from "./errors.ts";
import { backOff, pause } from "./pause.ts";
import { passes, type StreamDoors, streamEvents } from "./stream.ts";

export interface WaitOptions {
  /** Milliseconds. None: as long as the run's own limits let it go on. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/**
 * Resolves with the run once it has ended. It listens to the event stream, so it neither polls nor comes late. A run
 * that has already ended is returned whatever the deadline; otherwise the deadline throws an `AirlockTimeoutError`. An
 * aborted signal rejects with its reason.
 */
export async function waitForEnd(doors: StreamDoors, options: WaitOptions): Promise<Run> {
  const { timeoutMs, signal } = options;
  const started = performance.now();
  let run = await doors.getRun(signal);
  if (isEnd(run.status)) return run;
  const limit = new AbortController();
  const onAbort = () => limit.abort(signal?.reason);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => limit.abort(), Math.max(0, timeoutMs - (performance.now() - started)));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for await (const event of streamEvents(doors, { since: run.lastSeq, signal: limit.signal })) {
      if (event.type === "run.finished") break;
    }
    signal?.throwIfAborted();
    run = await record(doors, limit.signal, run);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
  signal?.throwIfAborted();
  if (isEnd(run.status)) return run;
  throw new AirlockTimeoutError(run.id, run.status, timeoutMs ?? 0);
}

/**
 * The run as it is now, patiently: the gateway may restart between its last event and this question. After the deadline
 * there is one try, and the last known record when that fails.
 */
async function record(doors: StreamDoors, limit: AbortSignal, known: Run): Promise<Run> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await doors.getRun(limit.aborted ? AbortSignal.timeout(lastLookMs) : limit);
    } catch (error) {
      if (limit.aborted) {
        if (attempt > 1 || passes(error) || error instanceof DOMException) return known;
      } else if (passes(error)) {
        await pause(backOff(attempt, firstRetryMs), limit).catch(() => undefined);
        continue;
      }
      throw error;
    }
  }
}

const lastLookMs = 2_000;
const firstRetryMs = 100;
