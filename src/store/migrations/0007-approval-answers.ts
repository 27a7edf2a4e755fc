import { type Kysely, sql } from "kysely";

/** The answers in force are found among thousands of questions, and of answers that were for one call. */
export async function up(db: Kysely<unknown>): Promise<void> {
  // What covers a call, the newest first.
  await index(db, "approvals_agent_answers", "workspace_id, agent_key, scope, answered_at");
  await index(db, "approvals_artifact_answers", "workspace_id, artifact_key, scope, answered_at");
  // All that could cover anything.
  await index(db, "approvals_standing", "status, scope, lapsed");
  await index(db, "approvals_refusals", "status, remembered_until");
}

async function index(db: Kysely<unknown>, name: string, columns: string): Promise<void> {
  await sql`CREATE INDEX ${sql.raw(name)} ON approvals (${sql.raw(columns)})`.execute(db);
}
