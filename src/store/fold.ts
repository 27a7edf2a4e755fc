import { assert, assertNever } from "../base/assert.ts";
import type { BlobRef, EventData, RunEvent } from "../contract/event.ts";
import type { CleanupStatus, Isolation, RunStatus, StopReason, Usage } from "../contract/run.ts";

/** What the events of a run say about it: everything that a `Run` shows and its journal knows. */
export interface RunState {
  status: RunStatus;
  stopReason: StopReason | null;
  cleanupStatus: CleanupStatus;
  message: string | null;
  model: string;
  /** The text of the newest reply that had any. It becomes the run's `reply` when the run ends. */
  lastText: string | null;
  isolation: Isolation | null;
  usage: Usage;
  /** Billionths of a dollar, because sums of them are exact; null when a turn's price is not known. */
  costNanoUsd: number | null;
  turns: number;
  calls: number;
  lastSeq: number;
  head: string;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  updatedAt: string;
}

/**
 * Adds one event to what is known of a run; `state` is undefined before the first. Pure: the same events always give
 * the same state, which is what lets the row be checked against its journal (I1). The caller has checked that the
 * event is the next one.
 */
export function fold(state: RunState | undefined, event: RunEvent): RunState {
  if (event.type === "run.submitted") {
    assert(state === undefined, `Event ${event.seq} of ${event.runId} submits the run again`);
    return submitted(event);
  }
  assert(state !== undefined, `The journal of ${event.runId} does not start with run.submitted`);
  const next = { ...state, lastSeq: event.seq, head: event.hash, updatedAt: event.time };
  return { ...next, ...changes(state, event) };
}

function submitted(event: Extract<RunEvent, { type: "run.submitted" }>): RunState {
  return {
    status: "queued",
    stopReason: null,
    cleanupStatus: "not_started",
    message: null,
    model: event.data.submission.model,
    lastText: null,
    isolation: null,
    usage: {
      inputTokens: 0,
      outputTokens: 0,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      totalTokens: 0,
    },
    costNanoUsd: 0,
    turns: 0,
    calls: 0,
    lastSeq: event.seq,
    head: event.hash,
    createdAt: event.time,
    startedAt: null,
    finishedAt: null,
    updatedAt: event.time,
  };
}

type Later = Exclude<RunEvent, { type: "run.submitted" }>;

function changes(state: RunState, event: Later): Partial<RunState> {
  switch (event.type) {
    case "run.started":
      return { status: "provisioning", startedAt: state.startedAt ?? event.time };
    case "run.provisioned":
      // A worker that took over a run which is already ending provisions it only to finish it.
      return {
        isolation: event.data.isolation,
        ...(state.status === "cleaning_up" ? {} : { status: "running" }),
      };
    case "turn.replied":
      return {
        turns: state.turns + 1,
        usage: addUsage(state.usage, event.data.usage),
        costNanoUsd: addCost(state.costNanoUsd, event.data.cost_usd),
        lastText: textOf(event.data) ?? state.lastText,
      };
    case "call.started":
      return { calls: state.calls + 1 };
    case "approval.requested":
    case "wait.started":
      return { status: "waiting" };
    case "wait.resolved":
    case "approval.resolved":
      // A run that ends has its approvals cancelled, and stays where it is.
      return state.status === "waiting" ? { status: "running" } : {};
    case "run.finishing":
      return { status: "cleaning_up", cleanupStatus: "pending" };
    case "run.finished":
      return {
        status: event.data.status,
        stopReason: event.data.stop_reason,
        message: event.data.message ?? null,
        cleanupStatus: event.data.cleanup_status,
        finishedAt: event.time,
      };
    case "run.cleaned":
      return { cleanupStatus: event.data.cleanup_status };
    case "call.finished": {
      const { reply } = event.data;
      return reply === undefined ? {} : { lastText: headOf(reply) };
    }
    case "run.forked":
    case "run.resumed":
    case "environment.prepared":
    case "mcp.listed":
    case "turn.lost":
    case "call.decided":
    case "outputs.captured":
    case "artifact.proved":
    case "egress.allowed":
    case "egress.denied":
    case "proxy.called":
    case "sdk.called":
    case "secret.seen":
    case "input.requested":
    case "input.answered":
    case "message.received":
    case "approval.revoked":
      return {};
    case "run.stopped":
    case "run.cancel_requested":
      // Nobody has to answer any more.
      return state.status === "waiting" ? { status: "running" } : {};
    default:
      return assertNever(event);
  }
}

function addUsage(sum: Usage, more: EventData<"turn.replied">["usage"]): Usage {
  const inputTokens = sum.inputTokens + more.input_tokens;
  const outputTokens = sum.outputTokens + more.output_tokens;
  return {
    inputTokens,
    outputTokens,
    cacheReadTokens: sum.cacheReadTokens + more.cache_read_tokens,
    cacheWriteTokens: sum.cacheWriteTokens + more.cache_write_tokens,
    totalTokens: inputTokens + outputTokens,
  };
}

/** A turn of an earlier version says nothing of its cost. */
function addCost(sum: number | null, usd: number | null | undefined): number | null {
  return sum === null || usd === null || usd === undefined ? null : sum + Math.round(usd * 1e9);
}

/** The text parts of a reply in one, or null when it had none. Of a long part, its first characters. */
function textOf(reply: EventData<"turn.replied">): string | null {
  const texts = reply.parts
    .filter((part) => part.type === "text")
    .map((part) => headOf(part.text))
    .filter((text) => text !== "");
  return texts.length > 0 ? texts.join("") : null;
}

function headOf(text: string | BlobRef): string {
  return typeof text === "string" ? text : text.head;
}
