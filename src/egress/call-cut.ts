import type { Clock } from "../base/clock.ts";

/** Why a call was ended from this side: its time was up, its caller went away, or its run ended. */
export type CutReason = "timeout" | "gone" | "closed";

export interface CallCut {
  /** Aborted when the call has to end. */
  signal: AbortSignal;
  reason(): CutReason | undefined;
  /** Ends the call for an error of its own, which is the reason of the signal then. */
  abort(error: unknown): void;
  /** The call is over: nothing of it is watched any more. */
  end(): void;
  /** Aborted by `end`. */
  over: AbortSignal;
}

/** Watches over one call. The first reason is the one that counts. */
export function openCut(options: {
  timeoutMs: number;
  clock: Clock;
  caller: AbortSignal;
  closing: AbortSignal;
}): CallCut {
  const cut = new AbortController();
  const over = new AbortController();
  let reason: CutReason | undefined;
  const because = (why: CutReason) => () => {
    if (cut.signal.aborted) return;
    reason = why;
    cut.abort();
  };
  const watch = (signal: AbortSignal, act: () => void) => {
    if (signal.aborted) act();
    else signal.addEventListener("abort", act, { once: true, signal: over.signal });
  };
  watch(options.closing, because("closed"));
  watch(options.caller, because("gone"));
  const stopped = () => undefined;
  void options.clock.sleep(options.timeoutMs, over.signal).then(because("timeout"), stopped);
  return {
    signal: cut.signal,
    reason: () => reason,
    abort: (error) => cut.abort(error),
    // A reason of its own saves making an error for every call that ends well.
    end: () => over.abort("The call is over"),
    over: over.signal,
  };
}
