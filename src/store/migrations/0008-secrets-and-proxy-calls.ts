import { type Kysely, sql } from "kysely";

/** Secrets of workspaces, sealed; calls of proxy endpoints, and what they have used of their budgets. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await secrets(db);
  await calls(db);
  await budgets(db);
}

async function secrets(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("workspace_secrets")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("version", "integer", (c) => c.notNull())
    // When there first was a secret of this name; the versions of that day lapse.
    .addColumn("named_at", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addColumn("set_by", "text", (c) => c.notNull())
    // Null: the present one.
    .addColumn("replaced_at", "text")
    .addColumn("sealed", "blob", (c) => c.notNull())
    .addPrimaryKeyConstraint("workspace_secrets_pk", ["workspace_id", "name", "version"])
    .execute();
  await index(db, "workspace_secrets", ["replaced_at"]);
}

async function calls(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("proxy_calls")
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("id", "text", (c) => c.notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("call_id", "text")
    .addColumn("endpoint", "text", (c) => c.notNull())
    .addColumn("door", "text", (c) => c.notNull())
    .addColumn("method", "text", (c) => c.notNull())
    .addColumn("path", "text", (c) => c.notNull())
    .addColumn("request_bytes", "bigint", (c) => c.notNull())
    .addColumn("status", "integer")
    .addColumn("response_bytes", "bigint", (c) => c.notNull())
    .addColumn("outcome", "text", (c) => c.notNull())
    .addColumn("error", "text")
    .addColumn("mode_clamped", "integer", (c) => c.notNull())
    .addColumn("truncated", "integer", (c) => c.notNull())
    .addColumn("redacted", "integer", (c) => c.notNull())
    .addColumn("started_at", "text", (c) => c.notNull())
    .addColumn("duration_ms", "bigint", (c) => c.notNull())
    .addPrimaryKeyConstraint("proxy_calls_pk", ["run_id", "id"])
    .execute();
}

async function budgets(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("proxy_used")
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("endpoint", "text", (c) => c.notNull())
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("calls", "bigint", (c) => c.notNull())
    .addColumn("bytes", "bigint", (c) => c.notNull())
    .addPrimaryKeyConstraint("proxy_used_pk", ["run_id", "endpoint"])
    .execute();
  await db.schema
    .createTable("proxy_reservations")
    .addColumn("id", "text", (c) => c.primaryKey().notNull())
    .addColumn("run_id", "text", (c) => c.notNull().references("runs.id").onDelete("cascade"))
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("endpoint", "text", (c) => c.notNull())
    .addColumn("sent", "integer", (c) => c.notNull())
    .addColumn("at", "text", (c) => c.notNull())
    .execute();
  await index(db, "proxy_reservations", ["run_id", "endpoint"]);
}

async function index(db: Kysely<unknown>, table: string, columns: string[]): Promise<void> {
  const name = sql.raw(`${table}_${columns.join("_")}`);
  const on = sql.raw(columns.join(", "));
  await sql`CREATE INDEX ${name} ON ${sql.raw(table)} (${on})`.execute(db);
}
