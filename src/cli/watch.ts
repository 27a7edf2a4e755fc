import type { LiveEvent, RunEvent } from "../contract/event.ts";
import type { Run } from "../contract/run.ts";
import { type RunRef, TimeoutError } from "../sdk/sdk.ts";
import { askedLines } from "./asked.ts";
import type { Context } from "./context.ts";
import { exit } from "./exit.ts";

export interface WatchOptions {
  since?: number;
  live?: boolean;
  timeoutMs?: number | undefined;
  /** `onEvent` shows every event; else what the run waits for is told here. */
  shown?: boolean;
  onEvent?: (event: RunEvent | LiveEvent) => Promise<void>;
}

/**
 * Watches a run to its end and returns it; undefined when the person stopped watching, or nobody
 * reads any more. The deadline throws a `TimeoutError`. The run itself goes on in every
 * case.
 */
export async function watchRun(
  context: Context,
  run: RunRef,
  options: WatchOptions,
): Promise<Run | undefined> {
  const { io, print } = context;
  const stop = new AbortController();
  const late = new AbortController();
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => late.abort(), Math.min(options.timeoutMs, 2_147_483_647));
  const release = io.onSignal(() => stop.abort());
  const left = AbortSignal.any([stop.signal, print.closed]);
  const signal = AbortSignal.any([left, late.signal]);
  try {
    const { since = 0, live = false, shown = false, onEvent } = options;
    const onReconnect = (lost: { attempt: number; reason: string }) => {
      // One lost connection is nothing that a person must know.
      if (lost.attempt === 3) print.note(`Connection lost (${lost.reason}); trying again …`);
    };
    for await (const event of run.stream({ since, live, signal, onReconnect })) {
      if (!shown) for (const line of askedLines(event, print.color)) print.note(line);
      await onEvent?.(event);
    }
    if (left.aborted) return undefined;
    const timeoutMs = late.signal.aborted ? 0 : undefined;
    return await run.wait({ signal: left, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  } catch (error) {
    if (left.aborted) return undefined;
    if (!(error instanceof TimeoutError)) throw error;
    throw new TimeoutError(run.id, error.lastStatus, options.timeoutMs ?? 0);
  } finally {
    clearTimeout(timer);
    release();
    print.spinner.clear();
  }
}

/** Says that the run goes on, and gives the exit code for a watch that was left. */
export function leftBehind({ print }: Context, runId: string): number {
  if (print.closed.aborted) return exit.ok;
  print.note("Stopped watching; the run goes on");
  print.note(`  airlock events ${runId} --follow   watches it again`);
  print.note(`  airlock cancel ${runId}   ends it`);
  return exit.interrupted;
}

/** 0 for a run that succeeded, 1 for every other end. */
export function exitCodeOf(run: Run): number {
  return run.status === "succeeded" ? exit.ok : exit.failed;
}
