import type { Kysely } from "kysely";

/** Evidence that an artifact worked with nothing but what is in it. It outlives the run that gave it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("artifact_proofs")
    .addColumn("workspace_id", "text", (c) => c.notNull())
    .addColumn("artifact_id", "text", (c) => c.notNull())
    .addColumn("run_id", "text", (c) => c.notNull())
    .addColumn("call_id", "text", (c) => c.notNull())
    .addColumn("proof", "text", (c) => c.notNull())
    .addColumn("created_at", "text", (c) => c.notNull())
    .addPrimaryKeyConstraint("artifact_proofs_pk", ["workspace_id", "artifact_id", "call_id"])
    .execute();
}
