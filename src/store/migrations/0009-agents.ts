import { type Kysely, sql } from "kysely";

/** Agents that workspaces have installed, all their revisions, and which blobs those need. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("agents")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("id", "text", (c) => c.notNull())
    .addColumn("revision", "text", (c) => c.notNull())
    .addColumn("activated_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("agents_pk", ["workspace_id", "id"])
    .execute();
  await db.schema
    .createTable("agent_revisions")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("agent_id", "text", (c) => c.notNull())
    .addColumn("revision", "text", (c) => c.notNull())
    .addColumn("number", "integer", (c) => c.notNull())
    .addColumn("manifest", "text", (c) => c.notNull())
    .addColumn("instructions", "text", (c) => c.notNull())
    .addColumn("notes", "text", (c) => c.notNull())
    .addColumn("skill_sha256", "text", (c) => c.notNull())
    .addColumn("skill_bytes", "integer", (c) => c.notNull())
    .addColumn("files", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("agent_revisions_pk", ["workspace_id", "agent_id", "revision"])
    .addUniqueConstraint("agent_revisions_number", ["workspace_id", "agent_id", "number"])
    .execute();
  await db.schema
    .createTable("agent_blobs")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("agent_id", "text", (c) => c.notNull())
    .addColumn("revision", "text", (c) => c.notNull())
    .addColumn("sha256", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("agent_blobs_pk", ["workspace_id", "agent_id", "revision", "sha256"])
    .execute();
  await sql`CREATE INDEX agent_blobs_sha256 ON agent_blobs (sha256)`.execute(db);
}
