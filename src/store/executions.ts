import type { Kysely } from "kysely";
import { sql } from "kysely";
import { limits } from "../base/limits.ts";
import type { EventData } from "../contract/event.ts";
import type { Parts } from "./journal.ts";
import type { Schema } from "./schema.ts";

/** A call of a run tree that has an end. */
export interface Execution {
  runId: string;
  callId: string;
  agent: string | null;
  tool: string;
  success: boolean;
  outcome: string;
  errorType: string | null;
  exitCode: number | null;
  command: string | null;
  finishedAt: string;
  durationMs: number;
  /** What was asked for and what came of it, as JSON; long strings are heads of blobs. Only of the run that searches. */
  own: { arguments: unknown; result: unknown } | null;
  /** What went wrong, in the words that the model was told. */
  message: string | null;
}

export interface ExecutionSearch {
  workspaceId: string;
  rootRunId: string;
  /** Who searches: of its own calls it is told everything, of others what became of them. */
  runId: string;
  tool?: string | undefined;
  success?: boolean | undefined;
  errorType?: string | undefined;
  /** A part of the command; capital letters are no different from small ones. */
  command?: string | undefined;
  agent?: string | undefined;
  ofRun?: string | undefined;
  limit: number;
}

/** The calls of run trees. */
export interface Executions {
  /** Newest first, of the newest `limits.executionsSearched` of the tree. */
  search(wanted: ExecutionSearch): Promise<Execution[]>;
}

export function openExecutions({ reads }: Pick<Parts, "reads">): Executions {
  return {
    async search(wanted) {
      const rows = await find(reads, wanted);
      const found: Execution[] = [];
      for (const row of rows) found.push(await executionOf(reads, wanted.runId, row));
      return found;
    },
  };
}

type Row = Awaited<ReturnType<typeof find>>[number];

function find(db: Kysely<Schema>, wanted: ExecutionSearch) {
  let query = db
    .selectFrom((eb) =>
      eb
        .selectFrom("executions")
        .selectAll()
        .where("root_run_id", "=", wanted.rootRunId)
        .where("finished_at", "is not", null)
        .orderBy("finished_at", "desc")
        .orderBy("call_id", "desc")
        .limit(limits.executionsSearched)
        .as("found"),
    )
    .innerJoin("runs", "runs.id", "found.run_id")
    .selectAll("found")
    .select("runs.agent")
    .where("runs.workspace_id", "=", wanted.workspaceId)
    .orderBy("found.finished_at", "desc")
    .orderBy("found.call_id", "desc")
    .limit(wanted.limit);
  const { tool, success, errorType, command, agent, ofRun } = wanted;
  if (tool !== undefined) query = query.where("found.tool", "=", tool);
  if (success !== undefined) query = query.where("found.success", "=", success ? 1 : 0);
  if (errorType !== undefined) query = query.where("found.error_type", "=", errorType);
  if (agent !== undefined) query = query.where("runs.agent", "=", agent);
  if (ofRun !== undefined) query = query.where("found.run_id", "=", ofRun);
  if (command !== undefined) {
    const pattern = `%${command.replace(/[\\%_]/g, "\\$&")}%`;
    query = query.where(sql<boolean>`found.command LIKE ${pattern} ESCAPE '\\'`);
  }
  return query.execute();
}

async function executionOf(db: Kysely<Schema>, searcher: string, row: Row): Promise<Execution> {
  const ended = await eventOf<"call.finished">(db, row.run_id, row.seq);
  const isOwn = row.run_id === searcher;
  const asked = isOwn ? await eventOf<"turn.replied">(db, row.run_id, row.asked_seq) : undefined;
  const request = asked?.calls.find(({ call_id }) => call_id === row.call_id);
  const { message } = (ended?.result ?? {}) as { message?: unknown };
  return {
    ...{ runId: row.run_id, callId: row.call_id, agent: row.agent, tool: row.tool },
    ...{ success: row.success === 1, outcome: row.outcome ?? "", errorType: row.error_type },
    ...{ exitCode: row.exit_code, command: row.command, finishedAt: row.finished_at ?? "" },
    durationMs: row.duration_ms ?? 0,
    own: isOwn ? { arguments: request?.arguments, result: ended?.result } : null,
    message: row.success === 0 && typeof message === "string" ? message : null,
  };
}

async function eventOf<T extends "turn.replied" | "call.finished">(
  db: Kysely<Schema>,
  runId: string,
  seq: number | null,
): Promise<EventData<T> | undefined> {
  const row = await db
    .selectFrom("events")
    .select("data")
    .where("run_id", "=", runId)
    .where("seq", "=", seq ?? 0)
    .executeTakeFirst();
  return row && (JSON.parse(row.data) as EventData<T>);
}
