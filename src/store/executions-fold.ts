import type { Kysely } from "kysely";
import { cutText } from "../base/whole-text.ts";
import { isBlobRef } from "../contract/blob-ref.ts";
import type { RunEvent } from "../contract/event.ts";
import type { AppendTo } from "./append.ts";
import type { ExecutionsTable } from "./interactions-schema.ts";
import { type Prepared, prepare } from "./prepared.ts";
import type { Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Tx } from "./writer.ts";

/** Of a command, so much can be searched and shown. */
const commandChars = 1_000;

type Asked = Pick<
  ExecutionsTable,
  "call_id" | "tool" | "command" | "asked_seq" | "run_id" | "workspace_id" | "root_run_id"
>;
type Finished = Omit<ExecutionsTable, keyof Asked> &
  Pick<ExecutionsTable, "call_id" | "run_id" | "tool">;

/** The calls that a turn asked for. */
function asked(run: AppendTo, event: Extract<RunEvent, { type: "turn.replied" }>): Asked[] {
  return event.data.calls.map(({ call_id, tool, arguments: given }) => ({
    ...{ run_id: run.runId, call_id, workspace_id: run.workspaceId, root_run_id: run.rootRunId },
    ...{ tool, command: commandOf(given), asked_seq: event.seq },
  }));
}

function commandOf(given: unknown): string | null {
  const command = memberOf(given, "command");
  const text = isBlobRef(command) ? command.head : command;
  return typeof text === "string" ? cutText(text, commandChars).toWellFormed() : null;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/** What came of a call. */
function finished(
  runId: string,
  { seq, time, data }: Extract<RunEvent, { type: "call.finished" }>,
): Finished {
  const { call_id, tool, outcome, result, duration_ms } = data;
  const errorType = memberOf(result, "error_type");
  const code = memberOf(result, "exit_code");
  return {
    ...{ run_id: runId, call_id, tool, seq, outcome, finished_at: time, duration_ms },
    success: outcome === "returned" && memberOf(result, "ok") !== false ? 1 : 0,
    error_type: typeof errorType === "string" ? errorType : null,
    exit_code: typeof code === "number" && Number.isSafeInteger(code) ? code : null,
  };
}

/** The statements of the calls that runs make, compiled once: two of them run for every call. */
export interface ExecutionStatements {
  insertExecution: Prepared<Asked, unknown>;
  finishExecution: Prepared<Finished, unknown>;
}

export function compileExecutionStatements(db: Kysely<Schema>): ExecutionStatements {
  return {
    insertExecution: prepare((v) =>
      db.insertInto("executions").values({
        ...{ run_id: v.run_id, call_id: v.call_id, workspace_id: v.workspace_id },
        ...{ root_run_id: v.root_run_id, tool: v.tool, command: v.command },
        asked_seq: v.asked_seq,
      }),
    ),
    finishExecution: prepare((v) =>
      db
        .updateTable("executions")
        .set({
          ...{ tool: v.tool, seq: v.seq, outcome: v.outcome, success: v.success },
          ...{ error_type: v.error_type, exit_code: v.exit_code },
          ...{ finished_at: v.finished_at, duration_ms: v.duration_ms },
        })
        .where("run_id", "=", v.run_id)
        .where("call_id", "=", v.call_id),
    ),
  };
}

/** Writes what an event says of calls, in the transaction of the append. */
export async function writeExecutions(
  tx: Tx,
  statements: Statements,
  run: AppendTo,
  event: RunEvent,
): Promise<void> {
  if (event.type === "turn.replied") {
    for (const row of asked(run, event)) await statements.insertExecution.all(tx, row);
  } else if (event.type === "call.finished") {
    await statements.finishExecution.all(tx, finished(run.runId, event));
  }
}

/** The rows of calls that a journal gives, by the id of the call. */
export type ExecutionFold = Map<string, ExecutionsTable>;

const open = {
  ...{ seq: null, outcome: null, success: null, error_type: null },
  ...{ exit_code: null, finished_at: null, duration_ms: null },
} as const;

export function foldExecutions(rows: ExecutionFold, run: AppendTo, event: RunEvent): void {
  if (event.type === "turn.replied") {
    for (const row of asked(run, event)) rows.set(row.call_id, { ...row, ...open });
  } else if (event.type === "call.finished") {
    const row = rows.get(event.data.call_id);
    if (row !== undefined) rows.set(row.call_id, { ...row, ...finished(run.runId, event) });
  }
}

/** Holds the rows of one run against what its journal gives. */
export async function compareExecutions(
  tx: Kysely<Schema>,
  runId: string,
  expected: ExecutionFold,
  report: (message: string) => void,
): Promise<void> {
  const rows = await tx.selectFrom("executions").selectAll().where("run_id", "=", runId).execute();
  for (const row of rows) {
    const wanted = expected.get(row.call_id);
    if (wanted === undefined)
      report(`The journal has no call ${row.call_id}, but its row is there`);
    for (const column of Object.keys(wanted ?? {}) as (keyof ExecutionsTable)[]) {
      if (row[column] === wanted?.[column]) continue;
      report(`The row of call ${row.call_id} has a ${column} that its journal does not give`);
    }
  }
  const found = new Set(rows.map(({ call_id }) => call_id));
  for (const id of expected.keys()) if (!found.has(id)) report(`The row of call ${id} is missing`);
}
