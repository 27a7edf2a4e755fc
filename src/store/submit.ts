import { assert } from "../base/assert.ts";
import { limits } from "../base/limits.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import { writeEvents } from "./append.ts";
import { link } from "./link.ts";
import { findRun } from "./run-query.ts";
import { columnsOf } from "./run-row.ts";
import type { Statements } from "./statements.ts";
import type { NewRun, Submitted } from "./store.ts";
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
  const earlier = await earlierSubmission(tx, statements, run);
  if (earlier) return { submitted: earlier, events: [] };
  const queued = await countQueued(tx);
  if (queued >= limits.queuedRuns) return { submitted: { type: "queue_full", queued }, events: [] };
  const events = await writeRun(tx, statements, run, time);
  const made = await findRun(tx, statements, run.workspaceId, run.runId);
  assert(made, `Run ${run.runId} is there in the transaction that made it`);
  return { submitted: { type: "created", run: made }, events };
}

async function earlierSubmission(
  tx: Tx,
  statements: Statements,
  run: NewRun,
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
  const { runId, workspaceId, idempotencyKey, bodyHash } = run;
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
  const linked = link(run, undefined, [submittedEvent(run)], time);
  await tx
    .insertInto("runs")
    .values({
      id: runId,
      workspace_id: workspaceId,
      root_run_id: runId,
      epoch: 0,
      ...columnsOf(linked.state),
    })
    .execute();
  await writeEvents(tx, statements, { runId, workspaceId, rootRunId: runId }, linked);
  for (const { name, sealed } of run.secrets) {
    await tx
      .insertInto("sealed_secrets")
      .values({ run_id: runId, name, workspace_id: workspaceId, sealed })
      .execute();
  }
  return linked.events;
}

function submittedEvent(run: NewRun): NewEvent {
  return {
    type: "run.submitted",
    data: {
      submission: run.snapshot,
      body_hash: run.bodyHash,
      idempotency_key: run.idempotencyKey,
      secrets: run.secrets.map((secret) => secret.name),
      submitted_by: run.submittedBy,
    },
  };
}
