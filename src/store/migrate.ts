import type { Kysely } from "kysely";
import { up as init } from "./migrations/0001-init.ts";
import { up as cost } from "./migrations/0002-cost.ts";
import { up as layers } from "./migrations/0003-layers.ts";
import { up as proofs } from "./migrations/0004-proofs.ts";
import { up as lists } from "./migrations/0005-lists.ts";
import { up as approvals } from "./migrations/0006-approvals.ts";
import { up as approvalAnswers } from "./migrations/0007-approval-answers.ts";
import { up as secretsAndProxyCalls } from "./migrations/0008-secrets-and-proxy-calls.ts";
import { up as agentsAndTrees } from "./migrations/0009-agents-and-trees.ts";
import { up as bundles } from "./migrations/0010-bundles.ts";
import type { Schema } from "./schema.ts";

/** Every migration, in order. Forward only: one is added at the end, none is ever changed or removed. */
const migrations: ((db: Kysely<unknown>) => Promise<void>)[] = [
  ...[init, cost, layers, proofs, lists, approvals, approvalAnswers, secretsAndProxyCalls],
  ...[agentsAndTrees, bundles],
];

/** The database cannot be used as it is; the message tells the operator what is wrong and what to do. */
export class DatabaseRefused extends Error {
  override name = "DatabaseRefused";
}

const versionKey = "schema_version";

/** Brings a database to the newest schema, each step in a transaction of its own. Refuses one from the future. */
export async function migrate(db: Kysely<Schema>, path: string): Promise<void> {
  const from = await versionOf(db);
  if (from > migrations.length) {
    throw new DatabaseRefused(
      `The database "${path}" has schema version ${from}, but this version of Airlock knows only ` +
        `${migrations.length}: start the newer version that wrote it`,
    );
  }
  for (const [index, up] of migrations.entries()) {
    if (index < from) continue;
    await db.transaction().execute(async (tx) => {
      // A migration sees no types: it is about the tables of its own day, not about today's.
      await up(tx as unknown as Kysely<unknown>);
      await setVersion(tx, index + 1);
    });
  }
}

async function versionOf(db: Kysely<Schema>): Promise<number> {
  const tables = await db.introspection.getTables();
  if (!tables.some((table) => table.name === "meta")) return 0;
  const row = await db
    .selectFrom("meta")
    .select("value")
    .where("key", "=", versionKey)
    .executeTakeFirst();
  return row?.value ?? 0;
}

async function setVersion(tx: Kysely<Schema>, version: number): Promise<void> {
  await tx
    .insertInto("meta")
    .values({ key: versionKey, value: version })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value: version }))
    .execute();
}
