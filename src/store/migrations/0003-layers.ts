import { type Kysely, sql } from "kysely";

/** Layers and artifacts of a workspace, who holds them, and the builds that need not be done again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await layers(db);
  await artifacts(db);
  await builds(db);
}

async function layers(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("layers")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("digest", "text", (c) => c.notNull())
    .addColumn("id", "text", (c) => c.notNull())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("file_count", "integer", (c) => c.notNull())
    .addColumn("size_bytes", "bigint", (c) => c.notNull())
    .addColumn("abi", "text")
    .addColumn("hosts", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("run_id", "text")
    .addColumn("call_id", "text")
    .addColumn("imported", "integer", (c) => c.notNull())
    .addPrimaryKeyConstraint("layers_pk", ["workspace_id", "digest"])
    .execute();
  await index(db, "layers", ["workspace_id", "id"]);
  await index(db, "layers", ["digest"]);
  await db.schema
    .createTable("run_layers")
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("digest", "text", (c) => c.notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("run_layers_pk", ["run_id", "digest"])
    .execute();
  await index(db, "run_layers", ["workspace_id", "digest"]);
}

/** An artifact outlives the run that built it, so what it holds hangs on nothing else. */
async function artifacts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("artifacts")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("id", "text", (c) => c.notNull())
    .addColumn("digest", "text", (c) => c.notNull())
    .addColumn("manifest", "text", (c) => c.notNull())
    .addColumn("name", "text")
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("run_id", "text")
    .addColumn("call_id", "text")
    .addPrimaryKeyConstraint("artifacts_pk", ["workspace_id", "id"])
    .execute();
  await db.schema
    .createTable("artifact_blobs")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("artifact_id", "text", (c) => c.notNull())
    .addColumn("sha256", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("artifact_blobs_pk", ["workspace_id", "artifact_id", "sha256"])
    .execute();
  await index(db, "artifact_blobs", ["sha256"]);
  await db.schema
    .createTable("artifact_layers")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("artifact_id", "text", (c) => c.notNull())
    .addColumn("digest", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("artifact_layers_pk", ["workspace_id", "artifact_id", "digest"])
    .execute();
  await index(db, "artifact_layers", ["workspace_id", "digest"]);
  await db.schema
    .createTable("artifact_refs")
    .addColumn("ref", "text", (c) => c.primaryKey().notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("artifact_id", "text", (c) => c.notNull())
    // Null: the whole workspace may use it.
    .addColumn("root_run_id", "text")
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("expires_at", "text")
    .addColumn("revoked_at", "text")
    .execute();
  await index(db, "artifact_refs", ["workspace_id", "artifact_id"]);
}

async function builds(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("builds")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("key", "text", (c) => c.notNull())
    .addColumn("layers", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    // Null: it rests on a lock file with hashes, so it is never out of date.
    .addColumn("expires_at", "text")
    .addPrimaryKeyConstraint("builds_pk", ["workspace_id", "key"])
    .execute();
  await db.schema
    .createTable("build_layers")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("key", "text", (c) => c.notNull())
    .addColumn("digest", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("build_layers_pk", ["workspace_id", "key", "digest"])
    .execute();
  await index(db, "build_layers", ["workspace_id", "digest"]);
}

async function index(db: Kysely<unknown>, table: string, columns: string[]): Promise<void> {
  const name = sql.raw(`${table}_${columns.join("_")}`);
  const on = sql.raw(columns.join(", "));
  await sql`CREATE INDEX ${name} ON ${sql.raw(table)} (${on})`.execute(db);
}
