import { isEnd, type Run } from "../contract/run.ts";
import { TimeoutError } from "./errors.ts";
import { backOff, pause } from "./pause.ts";
import { passes, type StreamDoors, streamEvents } from "./stream.ts";

export interface WaitOptions {
  /** Milliseconds. None: as long as the run's own limits let it go on. */
  timeoutMs?: number;
  /** How often the run is asked for where no event stream gets through, in milliseconds. Default 1,000. */
  intervalMs?: number;
  signal?: AbortSignal;
}

const firstRetryMs = 100;
/** After the deadline there is one more look at the run, of at most this long. */
const lastLookMs = 2_000;
/** A longer timer would fire at once. */
const timerMaxMs = 2_147_483_647;

/**
 * Resolves with the run once it has ended. It listens to the event stream, so it neither polls nor
 * comes late, and it outlives a gateway that restarts. A run that has already ended is returned
 * whatever the deadline; otherwise the deadline throws a `TimeoutError`. An aborted signal
 * rejects with its reason.
 */
export async function waitForEnd(doors: StreamDoors, options: WaitOptions): Promise<Run> {
  const { timeoutMs, signal } = options;
  const limit = new AbortController();
  const onAbort = () => limit.abort(signal?.reason);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => limit.abort(), Math.min(Math.max(0, timeoutMs), timerMaxMs));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  try {
    let run = await record(doors, limit.signal, signal);
    if (isEnd(run.status)) return run;
    const { intervalMs } = options;
    const follow = { since: run.lastSeq, signal: limit.signal };
    const events = streamEvents(doors, { ...follow, ...(intervalMs ? { intervalMs } : {}) });
    for await (const event of events) {
      if (event.type === "run.finished") break;
    }
    run = await record(doors, limit.signal, signal, run);
    if (isEnd(run.status)) return run;
    throw new TimeoutError(run.id, run.status, timeoutMs ?? 0);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * The run as it is now, patiently: the gateway may be restarting just then. After the deadline
 * there is one try, and what is known already when that fails.
 */
async function record(
  doors: StreamDoors,
  limit: AbortSignal,
  signal: AbortSignal | undefined,
  known?: Run,
): Promise<Run> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const last = limit.aborted;
    try {
      return await doors.getRun(last ? lastLook(signal) : limit);
    } catch (error) {
      signal?.throwIfAborted();
      if (last) {
        if (known) return known;
        throw error;
      }
      // Cut off by the deadline, or a trouble that may pass: look again.
      if (!limit.aborted && !passes(error)) throw error;
      await pause(backOff(attempt, firstRetryMs), limit).catch(() => undefined);
    }
  }
}

function lastLook(signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(lastLookMs);
  return signal ? AbortSignal.any([signal, limit]) : limit;
}
