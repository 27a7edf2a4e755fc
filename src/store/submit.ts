import type { Kysely } from "kysely";
import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import type { NewEvent, RunEvent, RunParent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import { writeEvents } from "./append.ts";
import { link } from "./link.ts";
import { findRun } from "./run-query.ts";
import { columnsOf } from "./run-row.ts";
import type { Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { NewRun, Submitted } from "./store.ts";
import { treeColumns } from "./tree-rows.ts";
import type { Tx } from "./writer.ts";

/**
 * Takes a submission in, in one transaction (I10): its key, its row, its first event and its secrets are all there or
 * none is. A key that was used before decides first, so a repeated request gets its run even when the queue is full.
 */
export async function submitRun(
  tx: Tx,
  statements: Statements,
  run: NewRun,
  time: string,
): Promise<{ submitted: Submitted; events: RunEvent[] }> {
  const earlier = run.parent
    ? await earlierChild(tx, statements, run.workspaceId, run.parent)
    : await earlierSubmission(tx, statements, run);
  if (earlier) return { submitted: earlier, events: [] };
  // What it remembers is held by the other run until this one holds it.
  const source = run.forked?.from_run_id;
  if (source !== undefined && !(await statements.runRow.first(tx, { runId: source }))) {
    return { submitted: { type: "source_gone", runId: source }, events: [] };
  }
  // A task is never turned away: it was let in with its tree, which has a limit of its own.
  const queued = run.parent ? 0 : await countQueued(tx);
  if (queued >= limits.queuedRuns) return { submitted: { type: "queue_full", queued }, events: [] };
  const events = await writeRun(tx, statements, run, time);
  const made = await findRun(tx, statements, run.workspaceId, run.runId);
  assert(made, `Run ${run.runId} is there in the transaction that made it`);
  return { submitted: { type: "created", run: made }, events };
}

/** What the key of a submission stands for already; undefined: nothing, or it has none. */
export async function earlierSubmission(
  tx: Kysely<Schema>,
  statements: Statements,
  run: Pick<NewRun, "workspaceId" | "idempotencyKey" | "bodyHash">,
): Promise<Submitted | undefined> {
  if (run.idempotencyKey === null) return undefined;
  const used = await tx
    .selectFrom("idempotency_keys")
    .selectAll()
    .where("workspace_id", "=", run.workspaceId)
    .where("key", "=", run.idempotencyKey)
    .executeTakeFirst();
  if (!used) return undefined;
  if (used.deleted === 1) return { type: "deleted", runId: used.run_id };
  if (used.body_hash !== run.bodyHash) return { type: "conflict", existingRunId: used.run_id };
  const existing = await findRun(tx, statements, run.workspaceId, used.run_id);
  assert(existing, `The key of ${used.run_id} is not marked deleted, but its run is gone`);
  return { type: "existing", run: existing };
}

/** A call makes one task, however often it is repeated. A parent that is ending makes no more. */
async function earlierChild(
  tx: Tx,
  statements: Statements,
  workspaceId: string,
  parent: RunParent,
): Promise<Submitted | undefined> {
  const child = await tx
    .selectFrom("runs")
    .select("id")
    .where("parent_run_id", "=", parent.run_id)
    .where("parent_call_id", "=", parent.call_id)
    .executeTakeFirst();
  if (child) {
    const run = await findRun(tx, statements, workspaceId, child.id);
    assert(run, `Task ${child.id} is of the workspace of its parent`);
    return { type: "existing", run };
  }
  const row = await statements.runRow.first(tx, { runId: parent.run_id });
  const isEnding = !row || isEnd(row.status) || row.status === "cleaning_up";
  if (isEnding) return { type: "parent_ended" };
  const { runs } = await tx
    .selectFrom("runs")
    .select((eb) => eb.fn.countAll<number>().as("runs"))
    .where("root_run_id", "=", parent.root_run_id)
    .executeTakeFirstOrThrow();
  return runs >= limits.treeRuns ? { type: "tree_full", runs } : undefined;
}

async function countQueued(tx: Tx): Promise<number> {
  const row = await tx
    .selectFrom("runs")
    .select((eb) => eb.fn.countAll<number>().as("queued"))
    .where("status", "=", "queued")
    .executeTakeFirstOrThrow();
  return row.queued;
}

async function writeRun(
  tx: Tx,
  statements: Statements,
  run: NewRun,
  time: string,
): Promise<RunEvent[]> {
  const { runId, workspaceId, idempotencyKey, bodyHash, parent } = run;
  const rootRunId = parent?.root_run_id ?? runId;
  if (idempotencyKey !== null) {
    await tx
      .insertInto("idempotency_keys")
      .values({
        workspace_id: workspaceId,
        key: idempotencyKey,
        body_hash: bodyHash,
        run_id: runId,
        deleted: 0,
      })
      .execute();
  }
  const events = [submittedEvent(run), ...forkedEvent(run)];
  const linked = link(run, undefined, events, time);
  await tx
    .insertInto("runs")
    .values({
      id: runId,
      workspace_id: workspaceId,
      epoch: 0,
      ...treeColumns(runId, submittedEvent(run).data),
      ...columnsOf(linked.state),
    })
    .execute();
  await writeEvents(tx, statements, { runId, workspaceId, rootRunId }, linked);
  for (const { name, sealed } of run.secrets) {
    await tx
      .insertInto("sealed_secrets")
      .values({ run_id: runId, name, workspace_id: workspaceId, sealed })
      .execute();
  }
  return linked.events;
}

function forkedEvent({ forked }: NewRun): NewEvent[] {
  return forked === undefined ? [] : [{ type: "run.forked", data: forked }];
}

function submittedEvent(run: NewRun): Extract<NewEvent, { type: "run.submitted" }> {
  return {
    type: "run.submitted",
    data: {
      submission: run.snapshot,
      body_hash: run.bodyHash,
      idempotency_key: run.idempotencyKey,
      secrets: run.secrets.flatMap(({ name, own }) => (own ? [] : [name])),
      submitted_by: run.submittedBy,
      ...(run.parent ? { parent: run.parent } : {}),
    },
  };
}
