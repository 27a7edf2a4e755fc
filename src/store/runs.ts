import { type Kysely, sql } from "kysely";
import { limits } from "../base/limits.ts";
import type { RunEvent } from "../contract/event.ts";
import { endStatuses, isEnd, type Run, type RunStatus, runStatuses } from "../contract/run.ts";
import { cursorAfter, readCursor } from "./cursor.ts";
import { appendTo, type Parts } from "./journal.ts";
import { forgetKnowledge } from "./knowledge-write.ts";
import { rowsThatFit } from "./page.ts";
import { findRun } from "./run-query.ts";
import { finalCleanups } from "./run-row.ts";
import type { Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Runs } from "./store.ts";
import { builtIn, tasksOf } from "./tasks.ts";
import { freeUid, takeUid } from "./uids.ts";
import type { Tx } from "./writer.ts";

/** What a run weighs in a list: its submission and its reply. */
const pageBytesOf = sql<number>`octet_length(events.data) + coalesce(octet_length(last_text), 0)`;

const openStatuses = runStatuses.filter((status) => !isEnd(status));

/** The rows of all runs. `announce` tells followers of what this part appended. */
export function openRuns(parts: Parts, announce: (events: RunEvent[]) => void): Runs {
  const { writer, reads, statements, clock } = parts;
  const now = () => new Date(clock.now()).toISOString();
  return {
    get: (workspaceId, runId) => findRun(reads, statements, workspaceId, runId),
    list: (workspaceId, filter) => list(reads, statements, workspaceId, filter),
    unfinished: () => unfinished(reads),
    tree: (workspaceId, runId) => tree(reads, workspaceId, runId),
    tasks: (workspaceId, runId) => tasksOf(reads, workspaceId, { parent: runId }),
    treeTasks: (workspaceId, rootRunId) => tasksOf(reads, workspaceId, { root: rootRunId }),
    built: (workspaceId, rootRunId) => builtIn(reads, workspaceId, rootRunId),
    uncleaned: () => uncleaned(reads),
    retained: (workspaceId) => retained(reads, workspaceId),
    markCleaned: async (runId) => {
      await writer.write((tx) => markCleaned(tx, statements, runId, now()), announce);
    },
    delete: (workspaceId, runId) =>
      writer.write((tx) => deleteRun(tx, statements, workspaceId, runId, now())),
    takeUid: (runId, range) => writer.write((tx) => takeUid(tx, runId, range)),
    freeUid: (runId) => writer.write((tx) => freeUid(tx, runId)),
    async wasDeleted(workspaceId, runId) {
      const row = await reads
        .selectFrom("deleted_runs")
        .select("run_id")
        .where("run_id", "=", runId)
        .where("workspace_id", "=", workspaceId)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

async function list(
  db: Kysely<Schema>,
  statements: Statements,
  workspaceId: string,
  filter: { status?: RunStatus[]; limit: number; cursor?: string },
): Promise<{ runs: Run[]; nextCursor?: string }> {
  // The sizes first: a page of rows could hold gigabytes of prompts and replies.
  let query = db
    .selectFrom("runs")
    .innerJoin("events", (join) =>
      join.onRef("events.run_id", "=", "runs.id").on("events.seq", "=", 1),
    )
    .select(["runs.id", pageBytesOf.as("bytes")])
    .where("runs.workspace_id", "=", workspaceId)
    // Ids grow with time, and unlike times they are never equal.
    .orderBy("runs.id", "desc")
    .limit(filter.limit + 1);
  if (filter.status?.length) query = query.where("runs.status", "in", filter.status);
  if (filter.cursor !== undefined) query = query.where("runs.id", "<", readCursor(filter.cursor));
  const sizes = await query.execute();
  const page = sizes.slice(0, rowsThatFit(sizes.slice(0, filter.limit), limits.pageBytes));
  const last = page.at(-1);
  const runs: Run[] = [];
  for (const { id } of page) {
    const run = await findRun(db, statements, workspaceId, id);
    // Deleted, or of another status, since the sizes were read.
    if (run && (!filter.status?.length || filter.status.includes(run.status))) runs.push(run);
  }
  return sizes.length > page.length && last ? { runs, nextCursor: cursorAfter(last.id) } : { runs };
}

async function unfinished(db: Kysely<Schema>): ReturnType<Runs["unfinished"]> {
  const rows = await db
    .selectFrom("runs")
    .select(["id", "workspace_id", "root_run_id", "status"])
    .where("status", "in", openStatuses)
    .orderBy("id")
    .execute();
  return rows.map((row) => ({
    runId: row.id,
    workspaceId: row.workspace_id,
    rootRunId: row.root_run_id,
    status: row.status as RunStatus,
  }));
}

async function tree(
  db: Kysely<Schema>,
  workspaceId: string,
  runId: string,
): Promise<{ rootRunId: string; open: string[] } | undefined> {
  const run = await db
    .selectFrom("runs")
    .select("root_run_id")
    .where("id", "=", runId)
    .where("workspace_id", "=", workspaceId)
    .executeTakeFirst();
  if (run === undefined) return undefined;
  const rows = await db
    .selectFrom("runs")
    .select("id")
    .where("root_run_id", "=", run.root_run_id)
    .where("workspace_id", "=", workspaceId)
    .where("status", "in", openStatuses)
    .orderBy("id")
    .execute();
  return { rootRunId: run.root_run_id, open: rows.map(({ id }) => id) };
}

/** A deleted run counts too: its row is gone, but its directories and its uid may not be. */
async function uncleaned(db: Kysely<Schema>): Promise<{ runId: string; uid: number | null }[]> {
  const ended = await db
    .selectFrom("runs")
    .leftJoin("uids", "uids.run_id", "runs.id")
    .select(["runs.id as runId", "uids.uid as uid"])
    .where("runs.status", "in", [...endStatuses])
    .where("runs.cleanup_status", "not in", finalCleanups)
    .execute();
  const deleted = await db
    .selectFrom("deleted_runs")
    .leftJoin("uids", "uids.run_id", "deleted_runs.run_id")
    .select(["deleted_runs.run_id as runId", "uids.uid as uid"])
    .where("deleted_runs.cleaned", "=", 0)
    .execute();
  return [...ended, ...deleted];
}

/** The runs that have ended and keep their directories. */
async function retained(db: Kysely<Schema>, workspaceId: string | null): Promise<string[]> {
  let query = db.selectFrom("runs").select("id").where("cleanup_status", "=", "skipped");
  if (workspaceId !== null) query = query.where("workspace_id", "=", workspaceId);
  return (await query.execute()).map(({ id }) => id);
}

async function markCleaned(
  tx: Tx,
  statements: Statements,
  runId: string,
  time: string,
): Promise<RunEvent[]> {
  await tx.updateTable("deleted_runs").set({ cleaned: 1 }).where("run_id", "=", runId).execute();
  const row = await statements.runRow.first(tx, { runId });
  if (!row || !isEnd(row.status)) return [];
  if (finalCleanups.some((status) => status === row.cleanup_status)) return [];
  const cleaned = { type: "run.cleaned", data: { cleanup_status: "succeeded" } } as const;
  return appendTo(tx, statements, row, [cleaned], time);
}

async function deleteRun(
  tx: Tx,
  statements: Statements,
  workspaceId: string,
  runId: string,
  time: string,
): ReturnType<Runs["delete"]> {
  const row = await statements.runRow.first(tx, { runId });
  if (!row || row.workspace_id !== workspaceId) return "not_found";
  if (row.root_run_id !== runId) return { type: "a_task", rootRunId: row.root_run_id };
  const tree = await tx
    .selectFrom("runs")
    .select(["id", "status", "cleanup_status"])
    .where("root_run_id", "=", runId)
    .execute();
  if (tree.some(({ status }) => !isEnd(status))) return "not_finished";
  // Events, outputs, content, references and secrets go with their runs.
  await tx.deleteFrom("runs").where("root_run_id", "=", runId).execute();
  await forgetKnowledge(tx, workspaceId, runId);
  await tx
    .updateTable("idempotency_keys")
    .set({ deleted: 1 })
    .where("run_id", "=", runId)
    .execute();
  for (const { id, cleanup_status } of tree) {
    const isFinal = finalCleanups.some((status) => status === cleanup_status);
    // What was kept for its run goes now.
    const cleaned = isFinal && cleanup_status !== "skipped" ? 1 : 0;
    await tx
      .insertInto("deleted_runs")
      .values({ run_id: id, workspace_id: workspaceId, deleted_at: time, cleaned })
      .execute();
  }
  return "deleted";
}
