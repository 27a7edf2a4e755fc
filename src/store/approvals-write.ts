import { assert } from "../base/assert.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import type { AppendTo } from "./append.ts";
import {
  answeredRow,
  cancelledRow,
  checkStanding,
  endsQuestions,
  inForce,
  requestedRow,
  revokedRow,
  spentRow,
} from "./approvals-fold.ts";
import type { ApprovalsTable } from "./approvals-schema.ts";
import type { RunsTable } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Tx } from "./writer.ts";

/**
 * Holds what a worker wants to do by an approval against the latest time that was ever seen: the time of an event follows
 * the clock, and a clock that was set back must not bring an approval back. Throws `ApprovalUnusable`.
 */
export async function refuseUnusable(
  tx: Tx,
  statements: Statements,
  { workspace_id: workspaceId }: RunsTable,
  events: NewEvent[],
  latest: string,
): Promise<void> {
  for (const { type, data } of events) {
    const usesOne = type === "call.started" || type === "call.decided";
    if (!usesOne || data.approval === undefined) continue;
    const row = await statements.approvalRow.first(tx, { id: data.approval });
    inForce(row, workspaceId, latest, data.approval);
  }
}

/**
 * Writes what an event says of approvals. In the transaction of the append, so that a call which may not start by its
 * approval takes the whole append with it. Throws `ApprovalUnusable`.
 */
export async function writeApprovals(
  tx: Tx,
  statements: Statements,
  run: AppendTo,
  event: RunEvent,
): Promise<void> {
  const find = (id: string) => statements.approvalRow.first(tx, { id });
  const update = (row: ApprovalsTable) => statements.updateApproval.all(tx, row);
  const { time } = event;
  if (event.type === "approval.requested") {
    await statements.insertApproval.all(tx, requestedRow(run, time, event.data));
  } else if (event.type === "approval.resolved") {
    await update(answeredRow(own(run, await find(event.data.request_id)), time, event.data));
  } else if (event.type === "approval.revoked") {
    await update(revokedRow(own(run, await find(event.data.request_id)), time));
  } else if (event.type === "call.started" && event.data.approval !== undefined) {
    const { approval, call_id } = event.data;
    await update(spentRow(await find(approval), run, time, { approval, call_id }));
  } else if (event.type === "call.decided" && event.data.approval !== undefined) {
    const { approval } = event.data;
    checkStanding(await find(approval), run, time, { ...event.data, approval });
  } else if (endsQuestions(event)) {
    const pending = await statements.pendingOfRun.all(tx, { runId: run.runId });
    for (const row of pending) await update(cancelledRow(row, time));
  }
}

function own(run: AppendTo, row: ApprovalsTable | undefined): ApprovalsTable {
  assert(row?.run_id === run.runId, `${run.runId} has not asked for the approval of its event`);
  return row;
}
