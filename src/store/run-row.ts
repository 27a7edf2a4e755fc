import { canonicalJson } from "../base/canonical-json.ts";
import type { EventData, RunEvent } from "../contract/event.ts";
import { handoffOf } from "../contract/handoff.ts";
import { type CleanupStatus, isEnd, type Run, type RunStatus } from "../contract/run.ts";
import type { RunState } from "./fold.ts";
import type { EventsTable, FoldColumns, RunsTable } from "./schema.ts";

/** A cleanup that will not be tried again. */
export const finalCleanups: CleanupStatus[] = ["succeeded", "failed_terminal", "skipped"];

/** The columns that cache a state (I1). */
export function columnsOf(state: RunState): FoldColumns {
  return {
    status: state.status,
    stop_reason: state.stopReason,
    cleanup_status: state.cleanupStatus,
    message: state.message,
    model: state.model,
    last_text: state.lastText,
    isolation: state.isolation && canonicalJson(state.isolation),
    input_tokens: state.usage.inputTokens,
    output_tokens: state.usage.outputTokens,
    cache_read_tokens: state.usage.cacheReadTokens,
    cache_write_tokens: state.usage.cacheWriteTokens,
    cost_nano_usd: state.costNanoUsd,
    turns: state.turns,
    calls: state.calls,
    last_seq: state.lastSeq,
    head: state.head,
    created_at: state.createdAt,
    started_at: state.startedAt,
    finished_at: state.finishedAt,
    updated_at: state.updatedAt,
  };
}

/** The state that a row caches: the inverse of `columnsOf`. Only this gateway writes the columns. */
export function stateOf(row: FoldColumns): RunState {
  return {
    status: row.status as RunStatus,
    stopReason: row.stop_reason as RunState["stopReason"],
    cleanupStatus: row.cleanup_status as CleanupStatus,
    message: row.message,
    model: row.model,
    lastText: row.last_text,
    isolation: row.isolation === null ? null : JSON.parse(row.isolation),
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cacheReadTokens: row.cache_read_tokens,
      cacheWriteTokens: row.cache_write_tokens,
      totalTokens: row.input_tokens + row.output_tokens,
    },
    costNanoUsd: row.cost_nano_usd,
    turns: row.turns,
    calls: row.calls,
    lastSeq: row.last_seq,
    head: row.head,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    updatedAt: row.updated_at,
  };
}

/** A run as the API shows it: its row, the data of its first event, and its place in the queue. */
export function runOf(
  row: RunsTable,
  firstData: string,
  { position, waiting }: { position: number | null; waiting: Run["waiting"] },
): Run {
  const state = stateOf(row);
  const { submission }: EventData<"run.submitted"> = JSON.parse(firstData);
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    status: state.status,
    stop_reason: state.stopReason,
    cleanup_status: state.cleanupStatus,
    message: state.message,
    queue: position === null ? null : { position },
    waiting,
    rootRunId: row.root_run_id,
    parentRunId: row.parent_run_id,
    agent: row.agent,
    handoff: isEnd(state.status) ? handoffOf(state.lastText) : null,
    model: state.model,
    reply: isEnd(state.status) ? state.lastText : null,
    metadata: submission.metadata ?? {},
    submission,
    isolation: state.isolation,
    usage: state.usage,
    costUsd: state.costNanoUsd === null ? null : state.costNanoUsd / 1e9,
    turns: state.turns,
    calls: state.calls,
    lastSeq: state.lastSeq,
    head: state.head,
    createdAt: state.createdAt,
    startedAt: state.startedAt,
    finishedAt: state.finishedAt,
    updatedAt: state.updatedAt,
  };
}

/** An event as its journal keeps it. */
export function eventOf(row: EventsTable): RunEvent {
  const { run_id: runId, seq, time, hash, type } = row;
  return { runId, seq, time, hash, type, data: JSON.parse(row.data) } as RunEvent;
}
