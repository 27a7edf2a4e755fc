import { type Kysely, sql } from "kysely";

/** Questions of agents to people. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("interactions")
    .addColumn("id", "text", (c) => c.primaryKey().notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("root_run_id", "text", (c) => c.notNull())
    .addColumn("call_id", "text", (c) => c.notNull())
    .addColumn("agent", "text")
    .addColumn("status", "text", (c) => c.notNull())
    .addColumn("request", "text", (c) => c.notNull())
    .addColumn("answer", "text")
    .addColumn("requested_at", "text", (c) => c.notNull())
    .addColumn("expires_at", "text", (c) => c.notNull())
    .addColumn("answered_at", "text")
    .execute();
  for (const [name, columns] of [
    ["interactions_newest", "workspace_id, requested_at, id"],
    ["interactions_of_status", "workspace_id, status, requested_at, id"],
    ["interactions_run_id", "run_id, status"],
    ["interactions_root", "root_run_id, requested_at"],
    ["interactions_pending", "status, expires_at"],
  ] as const) {
    await sql`CREATE INDEX ${sql.raw(name)} ON interactions (${sql.raw(columns)})`.execute(db);
  }
}
