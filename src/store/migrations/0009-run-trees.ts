import { type Kysely, sql } from "kysely";

/** Runs that other runs started, what runs wait for, and which artifacts came of them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [name, type] of [
    ["parent_run_id", "text"],
    ["parent_call_id", "text"],
    ["agent", "text"],
    ["join_group", "text"],
    ["join_policy", "text"],
  ] as const) {
    await db.schema.alterTable("runs").addColumn(name, type).execute();
  }
  await db.schema
    .alterTable("runs")
    .addColumn("depth", "integer", (c) => c.notNull().defaultTo(0))
    .execute();
  await sql`CREATE UNIQUE INDEX runs_parent ON runs (parent_run_id, parent_call_id)`.execute(db);
  await sql`CREATE INDEX runs_root_run_id ON runs (root_run_id)`.execute(db);
  await db.schema
    .createTable("waits")
    .addColumn("run_id", "text", (c) =>
      c.primaryKey().notNull().references("runs.id").onDelete("cascade"),
    )
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("on_what", "text", (c) => c.notNull())
    .addColumn("wait", "text", (c) => c.notNull())
    .addColumn("until", "text")
    .addColumn("started_at", "text", (c) => c.notNull())
    .execute();
  await sql`CREATE INDEX waits_until ON waits (until)`.execute(db);
  await db.schema
    .createTable("built_artifacts")
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("seq", "integer", (c) => c.notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("root_run_id", "text", (c) => c.notNull())
    .addColumn("artifact_id", "text", (c) => c.notNull())
    .addColumn("artifact_ref", "text", (c) => c.notNull())
    .addColumn("name", "text")
    .addColumn("built_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("built_artifacts_pk", ["run_id", "seq"])
    .execute();
  await sql`CREATE INDEX built_artifacts_root ON built_artifacts (root_run_id)`.execute(db);
  await fill(db);
}

/** The agents and the artifacts of runs of earlier versions are found in their journals. */
async function fill(db: Kysely<unknown>): Promise<void> {
  await sql`
    UPDATE runs SET agent = (
      SELECT json_extract(data, '$.submission.agent.id') FROM events
      WHERE events.run_id = runs.id AND events.seq = 1
    )
  `.execute(db);
  await sql`
    INSERT INTO built_artifacts
      (run_id, seq, workspace_id, root_run_id, artifact_id, artifact_ref, name, built_at)
    SELECT events.run_id, events.seq, runs.workspace_id, runs.root_run_id,
      json_extract(events.data, '$.artifact.artifact_id'),
      json_extract(events.data, '$.artifact.artifact_ref'),
      json_extract(events.data, '$.artifact.name'), events.time
    FROM events JOIN runs ON runs.id = events.run_id
    WHERE events.type = 'call.finished'
      AND json_extract(events.data, '$.artifact.artifact_id') IS NOT NULL
  `.execute(db);
}
