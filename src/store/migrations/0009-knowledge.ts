import { type Kysely, sql } from "kysely";

/** What agents keep beyond their runs: facts that they may share, and values of their own. Runs are deleted without them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("knowledge")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("id", "text", (c) => c.notNull())
    .addColumn("scope", "text", (c) => c.notNull())
    .addColumn("owner", "text", (c) => c.notNull())
    .addColumn("content", "text", (c) => c.notNull())
    .addColumn("content_hash", "text", (c) => c.notNull())
    .addColumn("tags", "text", (c) => c.notNull())
    .addColumn("visibility", "text", (c) => c.notNull())
    .addColumn("shared_with", "text", (c) => c.notNull())
    .addColumn("run_id", "text", (c) => c.notNull())
    .addColumn("seq", "integer", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("updated_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("knowledge_pk", ["workspace_id", "id"])
    .execute();
  // With owner and visibility, so that a search passes what is not for it without reading its content.
  await sql`CREATE INDEX knowledge_scope
    ON knowledge (workspace_id, scope, updated_at, id, owner, visibility)`.execute(db);
  await sql`CREATE INDEX knowledge_owner ON knowledge (workspace_id, owner)`.execute(db);
  await sql`CREATE INDEX knowledge_run_id ON knowledge (run_id)`.execute(db);
  await db.schema
    .createTable("agent_state")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("owner", "text", (c) => c.notNull())
    .addColumn("kind", "text", (c) => c.notNull())
    .addColumn("key", "text", (c) => c.notNull())
    .addColumn("value", "text", (c) => c.notNull())
    .addColumn("value_hash", "text", (c) => c.notNull())
    .addColumn("run_id", "text", (c) => c.notNull())
    .addColumn("seq", "integer", (c) => c.notNull())
    .addColumn("updated_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("agent_state_pk", ["workspace_id", "owner", "kind", "key"])
    .execute();
  await sql`CREATE INDEX agent_state_run_id ON agent_state (run_id)`.execute(db);
}
