import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { cutText } from "../base/whole-text.ts";
import type { AskLimits, Candidate, Fault } from "./attempt.ts";
import type { Billed, Model, ModelEvent, Reply } from "./model.ts";
import type { CostOf } from "./prices.ts";

export interface RetryOptions {
  /** The model, then the fallback when there is one. */
  candidates: readonly [Candidate, ...Candidate[]];
  costOf: CostOf;
  clock: Clock;
  log: Log;
  limits: AskLimits;
  /** A number in [0, 1), so that many runs that failed together do not come back together. */
  random: () => number;
}

/** What one attempt came to. */
type Outcome = { type: "reply"; reply: Reply } | { type: "fault"; fault: Fault; billed: Billed };

/** What follows a failed attempt: the same candidate after a wait, or no more of it. */
type Next = { type: "again"; waitMs: number } | { type: "no_more"; message: string };

/**
 * Asks until there is a reply: the first candidate with its attempts, then the fallback with its own. Every attempt
 * after the first is announced with `reset` before it is waited for, since the text of the attempt before is void by
 * then. The usage of an empty reply is added to the one that follows, because it was paid for.
 */
export function replyWithRetries(options: RetryOptions): Model["reply"] {
  const { candidates, clock, log, limits } = options;
  return async function* reply(request, signal): AsyncGenerator<ModelEvent> {
    const failed: { fault: Fault; message: string }[] = [];
    let attempt = 0;
    for (const [index, candidate] of candidates.entries()) {
      const fallback = candidates[index + 1];
      let spent: Reply | undefined;
      for (let tries = 1; ; tries += 1) {
        attempt += 1;
        const outcome = yield* askOnce(candidate, request, attempt, options.costOf, signal);
        if (!outcome || signal.aborted) return;
        if (outcome.type === "reply") {
          if (spent || !isEmpty(outcome.reply) || tries >= limits.modelAttempts) {
            yield { type: "reply", reply: withSpent(outcome.reply, spent) };
            return;
          }
          spent = outcome.reply;
          const reason = `${candidate.id} replied nothing`;
          yield { type: "reset", attempt: attempt + 1, reason, billed: "counted" };
          continue;
        }
        const { fault, billed } = outcome;
        log.warn(
          { model: candidate.id, attempt, reason: fault.reason, retry: fault.retry },
          "model.attempt_failed",
        );
        const next = nextAfter(fault, tries, options);
        if (next.type === "no_more") {
          failed.push({ fault, message: next.message });
          if (!fallback || fault.reason === "model_refused") {
            yield { type: "failure", failure: failureOf(failed), billed };
            return;
          }
          const reason = `${next.message}; asking ${fallback.id} instead`;
          yield { type: "reset", attempt: attempt + 1, reason, billed };
          break;
        }
        const reason = `${fault.message}; asking again in ${seconds(next.waitMs)}`;
        yield { type: "reset", attempt: attempt + 1, reason, billed };
        if (!(await waited(clock, next.waitMs, signal))) return;
      }
    }
  };
}

async function* askOnce(
  candidate: Candidate,
  request: Parameters<Model["reply"]>[0],
  attempt: number,
  costOf: CostOf,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent, Outcome | undefined> {
  let offset = 0;
  for await (const event of candidate.ask(request, signal)) {
    if (signal.aborted) return undefined;
    if (event.type === "fault") {
      // What had begun to answer is paid for, whatever was said afterwards.
      return { ...event, billed: event.fault.unbilled && offset === 0 ? "no" : "maybe" };
    }
    if (event.type === "reply") {
      const costUsd = costOf(candidate.id, event.reply.usage);
      return { type: "reply", reply: { ...event.reply, model: candidate.id, attempt, costUsd } };
    }
    yield { type: "delta", attempt, offset, text: event.text };
    offset += event.text.length;
  }
  return undefined;
}

function nextAfter(fault: Fault, tries: number, options: RetryOptions): Next {
  const { limits, random } = options;
  if (!fault.retry) return { type: "no_more", message: fault.message };
  const { retryAfterMs } = fault;
  if (retryAfterMs !== undefined && retryAfterMs > limits.modelBackoffMaxMs) {
    const message = `${fault.message} (it asks to wait ${seconds(retryAfterMs)}, longer than is waited here)`;
    return { type: "no_more", message };
  }
  if (tries >= limits.modelAttempts) {
    const times = tries === 1 ? "once" : `${tries} times`;
    return { type: "no_more", message: `${fault.message} (asked ${times})` };
  }
  const doubled = Math.min(limits.modelBackoffFirstMs * 2 ** (tries - 1), limits.modelBackoffMaxMs);
  // Half to all of it; but never earlier than the provider asked for, and then up to a tenth later.
  const waitMs =
    retryAfterMs === undefined
      ? doubled * (0.5 + random() / 2)
      : Math.max(retryAfterMs, 1) * (1 + random() / 10);
  return { type: "again", waitMs };
}

async function waited(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return !signal.aborted;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

function failureOf(failed: readonly { fault: Fault; message: string }[]): {
  reason: Fault["reason"];
  message: string;
} {
  const reasons = failed.map(({ fault }) => fault.reason);
  const message = failed.map((each) => each.message).join("; then ");
  return {
    // The first model is the one that was chosen, so its trouble is what the run ends with.
    reason: reasons[0] ?? "model_error",
    message: message.length > 500 ? `${cutText(message, 499)}…` : message,
  };
}

function isEmpty(reply: Reply): boolean {
  const silent = reply.finishReason === "stop" || reply.finishReason === "other";
  const said = reply.parts.some((part) => part.type === "text" && part.text.trim() !== "");
  return silent && !said && reply.calls.length === 0;
}

function withSpent(reply: Reply, empty: Reply | undefined): Reply {
  if (!empty) return reply;
  const { usage } = reply;
  const { usage: spent } = empty;
  return {
    ...reply,
    // Each for itself, because a price can depend on the size of one request.
    costUsd:
      reply.costUsd === null || empty.costUsd === null ? null : reply.costUsd + empty.costUsd,
    usage: {
      input_tokens: usage.input_tokens + spent.input_tokens,
      output_tokens: usage.output_tokens + spent.output_tokens,
      cache_read_tokens: usage.cache_read_tokens + spent.cache_read_tokens,
      cache_write_tokens: usage.cache_write_tokens + spent.cache_write_tokens,
    },
  };
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}
