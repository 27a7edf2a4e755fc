import { assert } from "../base/assert.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { ApprovalAnswer, ApprovalRequest } from "../contract/approval.ts";
import type { EventData, RunEvent } from "../contract/event.ts";
import type { AppendTo } from "./append.ts";
import type { ApprovalsTable } from "./approvals-schema.ts";

/** Why a call cannot be run by an approval. */
export type Unusable =
  | "not_found"
  | "other_call"
  | "not_approved"
  | "spent"
  | "revoked"
  | "out_of_time";

/**
 * The append was refused as a whole, because an event in it runs a call by an approval that does not allow it (any more).
 * Nothing was written.
 */
export class ApprovalUnusable extends Error {
  override name = "ApprovalUnusable";
  readonly approvalId: string;
  readonly reason: Unusable;

  constructor(approvalId: string, reason: Unusable) {
    super(`Nothing can run by approval ${approvalId}: ${reason}`);
    this.approvalId = approvalId;
    this.reason = reason;
  }
}

/** The row that a request makes. */
export function requestedRow(
  run: AppendTo,
  time: string,
  request: ApprovalRequest,
): ApprovalsTable {
  return {
    ...{ id: request.request_id, workspace_id: run.workspaceId, run_id: run.runId },
    ...{ root_run_id: run.rootRunId, call_id: request.call_id, status: "pending" },
    ...{ agent: request.agent.id ?? request.agent.revision, tool: request.tool },
    ...{ summary: request.summary, run_key: request.keys.run },
    ...{ agent_key: request.keys.agent_revision, artifact_key: request.keys.artifact },
    ...{ requested_at: time, expires_at: comparable(request.expires_at), answered_at: null },
    ...{ scope: null, scope_expires_at: null, lapsed: 0, remembered_until: null },
    ...{ spent_at: null, revoked_at: null, request: canonicalJson(request), answer: null },
  };
}

/** The row after its answer. An answer is given once: a second one is a defect of ours, and is not written. */
export function answeredRow(
  row: ApprovalsTable,
  time: string,
  answer: ApprovalAnswer,
): ApprovalsTable {
  assert(row.call_id === answer.call_id, `${row.id} is an approval of ${row.call_id}`);
  // The end of a run has cancelled it already.
  if (answer.status === "cancelled" && row.status === "cancelled") return row;
  assert(row.status === "pending", `${row.id} is ${row.status} and cannot become ${answer.status}`);
  return {
    ...row,
    ...{ status: answer.status, answered_at: time, scope: answer.scope },
    scope_expires_at: answer.scope_expires_at && comparable(answer.scope_expires_at),
    remembered_until: answer.remembered_until && comparable(answer.remembered_until),
    answer: canonicalJson(answer),
  };
}

/** The row of a request whose run came to its end before anybody answered. */
export function cancelledRow(row: ApprovalsTable, time: string): ApprovalsTable {
  return answeredRow(row, time, {
    ...{ request_id: row.id, call_id: row.call_id, status: "cancelled" as const, scope: null },
    ...{ scope_expires_at: null, answered_by: null, note: null, remembered_until: null },
  });
}

/**
 * The row after the call that asked was started by it: at most once, because whoever comes second finds it spent in the
 * same transaction that would start the call. Throws `ApprovalUnusable`.
 */
export function spentRow(
  row: ApprovalsTable | undefined,
  run: AppendTo,
  time: string,
  started: { approval: string; call_id: string },
): ApprovalsTable {
  const found = inForce(row, run.workspaceId, time, started.approval);
  const isOwn = found.run_id === run.runId && found.call_id === started.call_id;
  if (!isOwn) throw new ApprovalUnusable(found.id, "other_call");
  if (found.spent_at !== null) throw new ApprovalUnusable(found.id, "spent");
  return { ...found, spent_at: time };
}

/** Holds a call against the standing approval that is to allow it. Throws `ApprovalUnusable`. */
export function checkStanding(
  row: ApprovalsTable | undefined,
  run: AppendTo,
  time: string,
  decided: EventData<"call.decided"> & { approval: string },
): void {
  const { id, scope, root_run_id } = inForce(row, run.workspaceId, time, decided.approval);
  if (scope === "once") throw new ApprovalUnusable(id, "other_call");
  if (scope === "run" && root_run_id !== run.rootRunId) {
    throw new ApprovalUnusable(id, "other_call");
  }
}

/** The row, when something may run by it at this time. Throws `ApprovalUnusable`. */
export function inForce(
  row: ApprovalsTable | undefined,
  workspaceId: string,
  time: string,
  id: string,
): ApprovalsTable {
  // What is another workspace's is not there (I14).
  if (row === undefined || row.workspace_id !== workspaceId) {
    throw new ApprovalUnusable(id, "not_found");
  }
  if (row.status !== "approved") throw new ApprovalUnusable(id, "not_approved");
  if (row.revoked_at !== null) throw new ApprovalUnusable(id, "revoked");
  const isOver = row.scope_expires_at !== null && row.scope_expires_at <= time;
  if (row.lapsed === 1 || isOver) throw new ApprovalUnusable(id, "out_of_time");
  return row;
}

export function revokedRow(row: ApprovalsTable, time: string): ApprovalsTable {
  assert(row.status === "approved", `${row.id} is ${row.status} and cannot be revoked`);
  return { ...row, revoked_at: row.revoked_at ?? time };
}

/** Whether nobody needs to answer any more what this event's run has asked. */
export function endsQuestions({ type }: RunEvent): boolean {
  return type === "run.stopped" || type === "run.finishing" || type === "run.finished";
}

/** Times are compared as text, so all have to be of one format: the contract lets fractions of seconds be left out. */
function comparable(time: string): string {
  return new Date(time).toISOString();
}
