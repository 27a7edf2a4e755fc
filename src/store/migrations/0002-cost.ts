import { type Kysely, sql } from "kysely";

/** What a run cost, in billionths of a dollar; null where the price of a turn is not known, as of all earlier ones. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("runs").addColumn("cost_nano_usd", "bigint").execute();
  await sql`UPDATE runs SET cost_nano_usd = 0 WHERE turns = 0`.execute(db);
}
