import type { Kysely } from "kysely";
import type { ApprovalsTable } from "./approvals-schema.ts";
import { type Prepared, prepare } from "./prepared.ts";
import type { Schema } from "./schema.ts";

/** The statements of approvals that calls wait for, compiled once. */
export interface ApprovalStatements {
  approvalRow: Prepared<{ id: string }, ApprovalsTable>;
  insertApproval: Prepared<ApprovalsTable, unknown>;
  /** What an event can change. */
  updateApproval: Prepared<ApprovalsTable, unknown>;
  pendingOfRun: Prepared<{ runId: string }, ApprovalsTable>;
}

export function compileApprovalStatements(db: Kysely<Schema>): ApprovalStatements {
  return {
    approvalRow: prepare((v) => db.selectFrom("approvals").selectAll().where("id", "=", v.id)),
    insertApproval: prepare((v) =>
      db.insertInto("approvals").values({
        ...{ id: v.id, workspace_id: v.workspace_id, run_id: v.run_id },
        ...{ root_run_id: v.root_run_id, call_id: v.call_id, status: v.status, agent: v.agent },
        ...{ tool: v.tool, summary: v.summary, run_key: v.run_key, agent_key: v.agent_key },
        ...{ artifact_key: v.artifact_key, requested_at: v.requested_at },
        ...{ expires_at: v.expires_at, answered_at: v.answered_at, scope: v.scope },
        ...{ scope_expires_at: v.scope_expires_at, lapsed: v.lapsed },
        ...{ remembered_until: v.remembered_until, spent_at: v.spent_at },
        ...{ revoked_at: v.revoked_at, request: v.request, answer: v.answer },
      }),
    ),
    updateApproval: prepare((v) =>
      db
        .updateTable("approvals")
        .set({
          ...{ status: v.status, answered_at: v.answered_at, scope: v.scope },
          ...{ scope_expires_at: v.scope_expires_at, remembered_until: v.remembered_until },
          ...{ spent_at: v.spent_at, revoked_at: v.revoked_at, answer: v.answer },
        })
        .where("id", "=", v.id),
    ),
    pendingOfRun: prepare((v) =>
      db
        .selectFrom("approvals")
        .selectAll()
        .where("run_id", "=", v.runId)
        .where("status", "=", "pending"),
    ),
  };
}
