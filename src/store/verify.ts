import { setImmediate as nextTick } from "node:timers/promises";
import type { Kysely } from "kysely";
import type { VerifyReport } from "../contract/upkeep.ts";
import { verifyAgents } from "./agents-verify.ts";
import { verifyOrphans } from "./approvals-verify.ts";
import { verifyBundles } from "./bundles-verify.ts";
import type { Database } from "./database.ts";
import { checkIntegrity } from "./integrity.ts";
import type { Schema } from "./schema.ts";
import { verifyArtifacts } from "./verify-artifacts.ts";
import { verifyRun } from "./verify-run.ts";

export type Defect = VerifyReport["defects"][number];

/** The report names this many; a store with more needs its backup, not a longer list. */
const defectsMax = 1000;

/**
 * Recomputes every chain, folds every journal again and compares the rows, holds every artifact against its name, and lets
 * the database check itself. On a
 * connection of its own, one snapshot per run: it can run while the gateway works. Counts no blobs; the caller does.
 */
export async function verifyStore(
  database: Database,
  onProgress?: (runs: number) => void,
): Promise<VerifyReport> {
  const defects: Defect[] = [];
  const add = (defect: Defect) => {
    if (defects.length < defectsMax) defects.push(defect);
  };
  for (const message of await checkIntegrity(database.path)) {
    add({ kind: "database_corrupt", subject: database.path, message });
  }
  const reader = database.openReader();
  let runs = 0;
  let events = 0;
  try {
    for (let id = await nextRun(reader.db, ""); id; id = await nextRun(reader.db, id)) {
      const runId = id;
      events += await reader.db.transaction().execute((tx) => verifyRun(tx, runId, add));
      runs++;
      onProgress?.(runs);
      await nextTick();
    }
    await verifyArtifacts(reader.db, add);
    await verifyAgents(reader.db, add);
    await verifyBundles(reader.db, add);
    await verifyOrphans(reader.db, add);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    add({
      kind: "database_corrupt",
      subject: database.path,
      message: `Cannot be read: ${message}`,
    });
  } finally {
    reader.close();
  }
  return { ok: defects.length === 0, runs, events, blobs: 0, bytes: 0, layers: 0, defects };
}

/** The next run that has a row or events: events without a row are a defect too. */
async function nextRun(db: Kysely<Schema>, after: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("runs")
    .select("id")
    .where("id", ">", after)
    .orderBy("id")
    .limit(1)
    .executeTakeFirst();
  const event = await db
    .selectFrom("events")
    .select("run_id as id")
    .where("run_id", ">", after)
    .orderBy("run_id")
    .limit(1)
    .executeTakeFirst();
  return [row?.id, event?.id].filter((id) => id !== undefined).sort()[0];
}
