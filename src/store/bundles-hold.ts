import { type Kysely, sql } from "kysely";
import { limits } from "../base/limits.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import { Problem } from "../contract/problem.ts";
import type { Schema } from "./schema.ts";
import type { Tx } from "./writer.ts";

/** A content that a run was given with its submission. */
interface Pin {
  name: string;
  transient: boolean;
}

/** What an event pins, by content. What came along and is a record's as well stays with the run. */
export function pinsOf(event: NewEvent): Map<string, Pin> {
  const pins = new Map<string, Pin>();
  if (event.type !== "run.submitted") return pins;
  const { skills = [], agentsMd = [], fileBundles = [] } = event.data.submission;
  for (const bundle of [...skills, ...agentsMd, ...fileBundles]) {
    if (!("contentHash" in bundle)) continue;
    const { name, contentHash, id } = bundle;
    const before = pins.get(contentHash);
    pins.set(contentHash, { name, transient: id === undefined && before?.transient !== false });
  }
  return pins;
}

/**
 * Writes what a submission pins, and lets go of what came with it when the run has ended. Throws `invalid_request` for a
 * content that a sweep may be taking just now.
 */
export async function writePins(
  tx: Tx,
  run: { runId: string; workspaceId: string },
  event: RunEvent,
): Promise<void> {
  if (event.type === "run.finished") {
    await tx
      .deleteFrom("run_bundles")
      .where("run_id", "=", run.runId)
      .where("transient", "=", 1)
      .execute();
  }
  for (const [contentHash, { name, transient }] of pinsOf(event)) {
    await refuseLost(tx, run.workspaceId, { contentHash, name, time: event.time });
    await tx
      .insertInto("run_bundles")
      .values({
        ...{ run_id: run.runId, content_hash: contentHash, workspace_id: run.workspaceId },
        transient: transient ? 1 : 0,
      })
      .execute();
  }
}

/**
 * Throws unless somebody refers to the content, or its blobs are so young that no sweep touches them: only then nothing
 * that is written now can come too late.
 */
export async function refuseLost(
  db: Kysely<Schema>,
  workspaceId: string,
  { contentHash, name, time }: { contentHash: string; name: string; time: string },
): Promise<void> {
  const since = new Date(Date.parse(time) - limits.bundleKeptMs).toISOString();
  const kept = await db
    .selectFrom("bundle_contents")
    .select("content_hash")
    .where("workspace_id", "=", workspaceId)
    .where("content_hash", "=", contentHash)
    .where((eb) => eb.or([eb("kept_at", ">=", since), isHeld("bundle_contents")]))
    .executeTakeFirst();
  if (kept !== undefined) return;
  const message = `The bundle ${JSON.stringify(name)} is gone: its content ${contentHash} was let go meanwhile; send it again`;
  throw new Problem("invalid_request", message, { contentHash });
}

/** Whether a record that is not deleted or a run refers to the content of a row of this table. */
export function isHeld(table: "bundle_contents" | "bundle_blobs") {
  const content = sql`(${sql.ref(`${table}.workspace_id`)}, ${sql.ref(`${table}.content_hash`)})`;
  return sql<boolean>`(
    EXISTS (SELECT 1 FROM bundles
      WHERE (workspace_id, content_hash) = ${content} AND deleted_at IS NULL)
    OR EXISTS (SELECT 1 FROM run_bundles WHERE (workspace_id, content_hash) = ${content})
  )`;
}
