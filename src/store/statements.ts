import { type Kysely, sql } from "kysely";
import { type ApprovalStatements, compileApprovalStatements } from "./approvals-statements.ts";
import { type BudgetStatements, compileBudgetStatements } from "./budgets-statements.ts";
import { compileExecutionStatements, type ExecutionStatements } from "./executions-fold.ts";
import { type Prepared, prepare } from "./prepared.ts";
import { compileProxyStatements, type ProxyStatements } from "./proxy-statements.ts";
import type { EventsTable, FoldColumns, RunsTable, Schema } from "./schema.ts";

/** The statements that every append and every read of a run goes through, compiled once. */
export interface Statements
  extends ApprovalStatements,
    BudgetStatements,
    ExecutionStatements,
    ProxyStatements {
  runRow: Prepared<{ runId: string }, RunsTable>;
  insertEvent: Prepared<EventsTable, unknown>;
  /** What an event can change; the model and the time of creation never do. */
  updateRun: Prepared<FoldColumns & { id: string }, unknown>;
  /**
   * The same for events that change no status: nearly all. Naming an indexed column in an update rewrites its index
   * even when the value is the same, which is one more page to sync at every append.
   */
  updateWorkingRun: Prepared<FoldColumns & { id: string }, unknown>;
  readEvents: Prepared<{ runId: string; since: number; limit: number }, EventsTable>;
  /** Known to SQLite without reading the data itself. */
  eventSizes: Prepared<{ runId: string; since: number; limit: number }, { bytes: number }>;
  firstData: Prepared<{ runId: string }, { data: string }>;
  queuedUpTo: Prepared<{ runId: string }, { queued: number }>;
  pendingApproval: Prepared<{ runId: string }, { id: string }>;
  waitOfRun: Prepared<{ runId: string }, { wait: string }>;
}

export function compileStatements(db: Kysely<Schema>): Statements {
  return {
    ...compileApprovalStatements(db),
    ...compileExecutionStatements(db),
    ...compileBudgetStatements(db),
    ...compileProxyStatements(db),
    runRow: prepare((v) => db.selectFrom("runs").selectAll().where("id", "=", v.runId)),
    insertEvent: prepare((v) =>
      db.insertInto("events").values({
        run_id: v.run_id,
        seq: v.seq,
        workspace_id: v.workspace_id,
        type: v.type,
        time: v.time,
        hash: v.hash,
        data: v.data,
      }),
    ),
    updateRun: prepare((v) =>
      db
        .updateTable("runs")
        .set({ status: v.status, ...unindexedColumns(v) })
        .where("id", "=", v.id),
    ),
    updateWorkingRun: prepare((v) =>
      db.updateTable("runs").set(unindexedColumns(v)).where("id", "=", v.id),
    ),
    readEvents: prepare((v) =>
      db
        .selectFrom("events")
        .selectAll()
        .where("run_id", "=", v.runId)
        .where("seq", ">", v.since)
        .orderBy("seq")
        .limit(v.limit),
    ),
    eventSizes: prepare((v) =>
      db
        .selectFrom("events")
        .select(sql<number>`octet_length(data)`.as("bytes"))
        .where("run_id", "=", v.runId)
        .where("seq", ">", v.since)
        .orderBy("seq")
        .limit(v.limit),
    ),
    firstData: prepare((v) =>
      db.selectFrom("events").select("data").where("run_id", "=", v.runId).where("seq", "=", 1),
    ),
    pendingApproval: prepare((v) =>
      db
        .selectFrom("approvals")
        .select("id")
        .where("run_id", "=", v.runId)
        .where("status", "=", "pending"),
    ),
    waitOfRun: prepare((v) => db.selectFrom("waits").select("wait").where("run_id", "=", v.runId)),
    queuedUpTo: prepare((v) =>
      db
        .selectFrom("runs")
        .select((eb) => eb.fn.countAll<number>().as("queued"))
        .where("status", "=", "queued")
        .where("id", "<=", v.runId),
    ),
  };
}

function unindexedColumns(v: FoldColumns) {
  return {
    last_text: v.last_text,
    isolation: v.isolation,
    input_tokens: v.input_tokens,
    output_tokens: v.output_tokens,
    cache_read_tokens: v.cache_read_tokens,
    cache_write_tokens: v.cache_write_tokens,
    cost_nano_usd: v.cost_nano_usd,
    turns: v.turns,
    calls: v.calls,
    last_seq: v.last_seq,
    head: v.head,
    updated_at: v.updated_at,
    cleanup_status: v.cleanup_status,
    stop_reason: v.stop_reason,
    message: v.message,
    started_at: v.started_at,
    finished_at: v.finished_at,
  };
}
