import { type Kysely, sql } from "kysely";

/**
 * Questions to people and their answers. They outlive the run that asked. What is short stands before the two JSON
 * columns, so that it is found without reading them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("approvals")
    .addColumn("id", "text", (c) => c.primaryKey().notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("run_id", "text", (c) => c.notNull())
    .addColumn("root_run_id", "text", (c) => c.notNull())
    .addColumn("call_id", "text", (c) => c.notNull())
    .addColumn("status", "text", (c) => c.notNull())
    .addColumn("agent", "text", (c) => c.notNull())
    .addColumn("tool", "text", (c) => c.notNull())
    .addColumn("summary", "text", (c) => c.notNull())
    .addColumn("run_key", "text", (c) => c.notNull())
    .addColumn("agent_key", "text", (c) => c.notNull())
    .addColumn("artifact_key", "text")
    .addColumn("requested_at", "text", (c) => c.notNull())
    .addColumn("expires_at", "text", (c) => c.notNull())
    .addColumn("answered_at", "text")
    .addColumn("scope", "text")
    .addColumn("scope_expires_at", "text")
    .addColumn("lapsed", "integer", (c) => c.notNull())
    .addColumn("remembered_until", "text")
    .addColumn("spent_at", "text")
    .addColumn("revoked_at", "text")
    .addColumn("request", "text", (c) => c.notNull())
    .addColumn("answer", "text")
    .execute();
  // The pages of the list: of one status, and of all.
  await index(db, "approvals_of_status", "workspace_id, status, requested_at, id");
  await index(db, "approvals_newest", "workspace_id, requested_at, id");
  // What covers a call, and what an answer covers.
  await index(db, "approvals_agent_key", "workspace_id, agent_key, status, requested_at, id");
  await index(db, "approvals_artifact_key", "workspace_id, artifact_key, status, requested_at, id");
  await index(db, "approvals_run_key", "run_key, status, requested_at, id");
  // What runs out next.
  await index(db, "approvals_expiry", "status, expires_at, id");
  await index(db, "approvals_scope_expiry", "status, lapsed, scope_expires_at");
  // How often a tree asks; what waits in a run; what an agent was last allowed.
  await index(db, "approvals_root", "root_run_id, requested_at");
  await index(db, "approvals_run", "run_id, status");
  await index(db, "approvals_agent", "workspace_id, agent, tool, status, requested_at, id");
}

async function index(db: Kysely<unknown>, name: string, columns: string): Promise<void> {
  await sql`CREATE INDEX ${sql.raw(name)} ON approvals (${sql.raw(columns)})`.execute(db);
}
