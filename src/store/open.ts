import type { Kysely } from "kysely";
import { Problem } from "../contract/problem.ts";
import { openAgentRows } from "./agents.ts";
import { openApprovalRows } from "./approvals.ts";
import { openApprovalTime } from "./approvals-time.ts";
import { openArtifacts } from "./artifacts.ts";
import { openBroken } from "./broken.ts";
import { openBudgets, settleLost } from "./budgets-rows.ts";
import { openBuilds } from "./builds.ts";
import { openBundleRows } from "./bundles.ts";
import { makeDataDir } from "./data-dir.ts";
import { type Database, openDatabase } from "./database.ts";
import { openExecutions } from "./executions.ts";
import { openRunFiles } from "./files.ts";
import { openForks } from "./forks.ts";
import { openInteractionRows } from "./interactions.ts";
import { openJournal, type Parts } from "./journal.ts";
import { openKnowledge } from "./knowledge.ts";
import { openLayers } from "./layers.ts";
import { lockDataDir } from "./lock.ts";
import { openMessages } from "./messages.ts";
import { openProxyAccounts } from "./proxy-accounts.ts";
import { openRuns } from "./runs.ts";
import type { Schema } from "./schema.ts";
import { openSealedRows } from "./sealed-rows.ts";
import { sqliteFault } from "./sqlite-errors.ts";
import { compileStatements } from "./statements.ts";
import type { SealedSecrets, Store, StoreOptions } from "./store.ts";
import { openTokens } from "./tokens.ts";
import { verifyStore } from "./verify.ts";
import { openWaits } from "./waits.ts";
import { openWorkspaceSecrets } from "./workspace-secrets.ts";
import { openWriter, type Writer } from "./writer.ts";

/**
 * Opens the data directory for this process and everything that is kept in SQL there. Throws `data_dir_locked` when
 * another gateway has it, `storage_full` when the disk has no room, and `DatabaseRefused` when the database is damaged
 * or newer than this code.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { clock, log } = options;
  const dir = makeDataDir(options.dir);
  const lock = lockDataDir(dir);
  let database: Database | undefined;
  try {
    const broken = openBroken(log, options.onBroken);
    database = await openDatabase(dir, broken);
    const db = database;
    const writer = openWriter({
      db: db.writes,
      broken,
      log,
      checkpoint: db.checkpointWhenDue,
      clock,
    });
    const epoch = await nextEpoch(writer);
    const statements = compileStatements(db.writes);
    const approvalNow = openApprovalTime(clock);
    const parts: Parts = { writer, reads: db.reads, statements, clock, approvalNow, log };
    const { announce, ...journal } = openJournal(parts);
    const time = new Date(clock.now()).toISOString();
    await writer.write((tx) => settleLost(tx, statements, time), announce);
    return {
      journal,
      runs: openRuns(parts, announce),
      files: openRunFiles(db.reads),
      layers: openLayers(parts),
      artifacts: openArtifacts(parts),
      builds: openBuilds(parts),
      agents: openAgentRows(parts),
      bundles: openBundleRows(parts),
      approvals: openApprovalRows(parts, announce),
      executions: openExecutions(parts),
      forks: openForks(parts),
      interactions: openInteractionRows(parts, announce),
      messages: openMessages(parts, announce),
      knowledge: openKnowledge(db.reads),
      waits: openWaits(parts, announce),
      tokens: openTokens(parts),
      secrets: openSecrets(db.reads),
      workspaceSecrets: openWorkspaceSecrets(parts),
      sealed: openSealedRows(parts),
      proxy: openProxyAccounts(parts),
      budgets: openBudgets(parts),
      epoch,
      verify: (onProgress) => verifyStore(db, onProgress),
      async close() {
        await writer.close();
        db.close();
        lock.release();
      },
    };
  } catch (error) {
    database?.close();
    lock.release();
    if (sqliteFault(error) !== "full") throw error;
    throw new Problem(
      "storage_full",
      `The disk of the data directory "${dir}" is full`,
      undefined,
      {
        cause: error,
      },
    );
  }
}

/** Counts this start of the gateway. Every lease carries the number, so a worker of an earlier start is fenced (I4). */
function nextEpoch(writer: Writer): Promise<number> {
  return writer.write(async (tx) => {
    const row = await tx
      .insertInto("meta")
      .values({ key: "epoch", value: 1 })
      .onConflict((conflict) =>
        conflict.column("key").doUpdateSet((eb) => ({ value: eb("meta.value", "+", 1) })),
      )
      .returning("value")
      .executeTakeFirstOrThrow();
    return row.value;
  });
}

function openSecrets(reads: Kysely<Schema>): SealedSecrets {
  return {
    get: (runId) =>
      reads
        .selectFrom("sealed_secrets")
        .select(["name", "sealed"])
        .where("run_id", "=", runId)
        .orderBy("name")
        .execute(),
  };
}
