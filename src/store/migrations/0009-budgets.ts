import { type Kysely, sql } from "kysely";

/** What run trees may use up, what they have used, and what is reserved for models that are being asked. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("budgets")
    .addColumn("root_run_id", "text", (c) =>
      c.primaryKey().notNull().references("runs.id").onDelete("cascade"),
    )
    .addColumn("workspace_id", "text", (c) => c.notNull())
    // Null: there is no such limit.
    .addColumn("tokens", "bigint")
    .addColumn("nano_usd", "bigint")
    .addColumn("turns", "bigint")
    .addColumn("calls", "bigint")
    .addColumn("wall_clock_ms", "bigint")
    .addColumn("used_tokens", "bigint", (c) => c.notNull())
    .addColumn("used_nano_usd", "bigint", (c) => c.notNull())
    .addColumn("used_turns", "bigint", (c) => c.notNull())
    .addColumn("used_calls", "bigint", (c) => c.notNull())
    .execute();
  await db.schema
    .createTable("budget_used")
    .addColumn("run_id", "text", (c) =>
      c.primaryKey().notNull().references("runs.id").onDelete("cascade"),
    )
    .addColumn("root_run_id", "text", (c) =>
      c.notNull().references("budgets.root_run_id").onDelete("cascade"),
    )
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("tokens", "bigint", (c) => c.notNull())
    .addColumn("nano_usd", "bigint", (c) => c.notNull())
    .addColumn("turns", "bigint", (c) => c.notNull())
    .addColumn("calls", "bigint", (c) => c.notNull())
    .execute();
  await sql`CREATE INDEX budget_used_root_run_id ON budget_used (root_run_id)`.execute(db);
  await db.schema
    .createTable("budget_reservations")
    .addColumn("run_id", "text", (c) =>
      c.primaryKey().notNull().references("runs.id").onDelete("cascade"),
    )
    .addColumn("root_run_id", "text", (c) =>
      c.notNull().references("budgets.root_run_id").onDelete("cascade"),
    )
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("turn", "integer", (c) => c.notNull())
    .addColumn("tokens", "bigint", (c) => c.notNull())
    .addColumn("nano_usd", "bigint", (c) => c.notNull())
    .addColumn("at", "text", (c) => c.notNull())
    .execute();
  await sql`CREATE INDEX budget_reservations_root_run_id ON budget_reservations (root_run_id)`.execute(
    db,
  );
}
