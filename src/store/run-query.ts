import type { Kysely } from "kysely";
import type { Run } from "../contract/run.ts";
import type { WaitStarted } from "../contract/workflow.ts";
import { runOf } from "./run-row.ts";
import type { RunsTable, Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";

/** One run of one workspace; undefined when there is none, or it is somebody else's (I14). */
export async function findRun(
  db: Kysely<Schema>,
  statements: Statements,
  workspaceId: string,
  runId: string,
): Promise<Run | undefined> {
  const row = await statements.runRow.first(db, { runId });
  if (!row || row.workspace_id !== workspaceId) return undefined;
  return toRun(db, statements, row);
}

/**
 * Completes a row to a run: with its submission, its place in the queue of the whole gateway, and what it waits for. Undefined when it
 * was deleted after its row was read.
 */
export async function toRun(
  db: Kysely<Schema>,
  statements: Statements,
  row: RunsTable,
): Promise<Run | undefined> {
  const runId = row.id;
  const first = await statements.firstData.first(db, { runId });
  if (!first) return undefined;
  const place =
    row.status === "queued" ? await statements.queuedUpTo.first(db, { runId }) : undefined;
  const waiting = row.status === "waiting" ? await waitingOf(db, statements, runId) : null;
  return runOf(row, first.data, { position: place?.queued ?? null, waiting });
}

async function waitingOf(
  db: Kysely<Schema>,
  statements: Statements,
  runId: string,
): Promise<Run["waiting"]> {
  const asked = await statements.pendingApproval.first(db, { runId });
  if (asked) return { on: "approval", approvalId: asked.id };
  const row = await statements.waitOfRun.first(db, { runId });
  if (row === undefined) return null;
  const wait = JSON.parse(row.wait) as WaitStarted;
  if (wait.interaction_id !== null) return { on: "input", interactionId: wait.interaction_id };
  const groups = wait.groups.flatMap(({ tasks }) => tasks);
  return { on: "children", runIds: [...new Set([...wait.tasks, ...groups])] };
}
