import { type Kysely, sql } from "kysely";
import { cutText } from "../../base/whole-text.ts";

interface Tables {
  runs: { id: string; workspace_id: string; root_run_id: string };
  events: { run_id: string; seq: number; type: string; time: string; data: string };
  executions: {
    run_id: string;
    call_id: string;
    workspace_id: string;
    root_run_id: string;
    tool: string;
    command: string | null;
    asked_seq: number;
    seq: number | null;
    outcome: string | null;
    success: number | null;
    error_type: string | null;
    exit_code: number | null;
    finished_at: string | null;
    duration_ms: number | null;
  };
}

/** The calls of runs, so that they can be searched. Those of earlier versions are found in their journals. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("executions")
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("call_id", "text", (c) => c.notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("root_run_id", "text", (c) => c.notNull())
    .addColumn("tool", "text", (c) => c.notNull())
    .addColumn("command", "text")
    .addColumn("asked_seq", "integer", (c) => c.notNull())
    .addColumn("seq", "integer")
    .addColumn("outcome", "text")
    .addColumn("success", "integer")
    .addColumn("error_type", "text")
    .addColumn("exit_code", "integer")
    .addColumn("finished_at", "text")
    .addColumn("duration_ms", "integer")
    .addPrimaryKeyConstraint("executions_key", ["run_id", "call_id"])
    .execute();
  await sql`CREATE INDEX executions_newest ON executions (root_run_id, finished_at, call_id)`.execute(
    db,
  );
  await fill(db as Kysely<Tables>);
}

const pageRows = 200;

async function fill(db: Kysely<Tables>): Promise<void> {
  for (let run = "", seq = 0; ; ) {
    const rows = await db
      .selectFrom("events")
      .innerJoin("runs", "runs.id", "events.run_id")
      .select(["events.run_id", "events.seq", "events.type", "events.time", "events.data"])
      .select(["runs.workspace_id", "runs.root_run_id"])
      .where("events.type", "in", ["turn.replied", "call.finished"])
      .where(({ eb, refTuple, tuple }) =>
        eb(refTuple("events.run_id", "events.seq"), ">", tuple(run, seq)),
      )
      .orderBy("events.run_id")
      .orderBy("events.seq")
      .limit(pageRows)
      .execute();
    for (const row of rows) await write(db, row);
    const last = rows.at(-1);
    if (last === undefined) return;
    run = last.run_id;
    seq = last.seq;
  }
}

type Row = Tables["events"] & Omit<Tables["runs"], "id">;

async function write(db: Kysely<Tables>, row: Row): Promise<void> {
  const data = JSON.parse(row.data);
  if (row.type === "turn.replied") {
    for (const call of data.calls) {
      const command = call.arguments?.command;
      const text = typeof command === "string" ? command : command?.head;
      await db
        .insertInto("executions")
        .values({
          ...{ run_id: row.run_id, call_id: call.call_id, workspace_id: row.workspace_id },
          ...{ root_run_id: row.root_run_id, tool: call.tool },
          command: typeof text === "string" ? cutText(text, 1000).toWellFormed() : null,
          ...{ asked_seq: row.seq, seq: null, outcome: null, success: null, error_type: null },
          ...{ exit_code: null, finished_at: null, duration_ms: null },
        })
        .execute();
    }
    return;
  }
  const { result, outcome } = data;
  const isGood = outcome === "returned" && result?.ok !== false;
  const code = result?.exit_code;
  await db
    .updateTable("executions")
    .set({
      ...{ tool: data.tool, seq: row.seq, outcome, success: isGood ? 1 : 0 },
      error_type: typeof result?.error_type === "string" ? result.error_type : null,
      exit_code: Number.isSafeInteger(code) ? code : null,
      ...{ finished_at: row.time, duration_ms: data.duration_ms },
    })
    .where("run_id", "=", row.run_id)
    .where("call_id", "=", data.call_id)
    .execute();
}
