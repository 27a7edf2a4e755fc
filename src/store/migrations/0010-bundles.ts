import { type Kysely, sql } from "kysely";

/**
 * Bundles that workspaces have, what is in them, and the runs that pin them by content. A content is the workspace's as
 * long as a record that is not deleted or a run refers to it, and for a while after it was unpacked.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("bundles")
    .addColumn("id", "text", (c) => c.primaryKey())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("kind", "text", (c) => c.notNull())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("content_hash", "text", (c) => c.notNull())
    .addColumn("size_bytes", "integer", (c) => c.notNull())
    .addColumn("file_count", "integer", (c) => c.notNull())
    .addColumn("description", "text")
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("created_by", "text", (c) => c.notNull())
    .addColumn("deleted_at", "text")
    .execute();
  await db.schema
    .createTable("bundle_contents")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("content_hash", "text", (c) => c.notNull())
    .addColumn("kept_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("bundle_contents_pk", ["workspace_id", "content_hash"])
    .execute();
  await db.schema
    .createTable("bundle_blobs")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("content_hash", "text", (c) => c.notNull())
    .addColumn("sha256", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("bundle_blobs_pk", ["workspace_id", "content_hash", "sha256"])
    .addForeignKeyConstraint(
      "bundle_blobs_content",
      ["workspace_id", "content_hash"],
      "bundle_contents",
      ["workspace_id", "content_hash"],
      (key) => key.onDelete("cascade"),
    )
    .execute();
  await db.schema
    .createTable("run_bundles")
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("content_hash", "text", (c) => c.notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("transient", "integer", (c) => c.notNull())
    .addPrimaryKeyConstraint("run_bundles_pk", ["run_id", "content_hash"])
    .execute();
  await sql`CREATE INDEX bundles_named ON bundles (workspace_id, kind, name, content_hash)`.execute(
    db,
  );
  await sql`CREATE INDEX bundles_content ON bundles (workspace_id, content_hash)`.execute(db);
  await sql`CREATE INDEX bundle_blobs_sha256 ON bundle_blobs (sha256)`.execute(db);
  await sql`CREATE INDEX run_bundles_content ON run_bundles (workspace_id, content_hash)`.execute(
    db,
  );
}
