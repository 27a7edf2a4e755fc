import { type Kysely, sql } from "kysely";

/** A page of layers or artifacts is found without reading the others: manifests are long, and lie before the times. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ["layers", "artifacts"]) {
    const name = sql.raw(`${table}_newest`);
    const on = sql.raw("workspace_id, created_at, id");
    await sql`CREATE INDEX ${name} ON ${sql.raw(table)} (${on})`.execute(db);
  }
}
