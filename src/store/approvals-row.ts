import type { Kysely } from "kysely";
import type { Approval, ApprovalStatus } from "../contract/approval.ts";
import type { ApprovalsTable } from "./approvals-schema.ts";
import type { Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";

/** One approval of one workspace; undefined when there is none, or it is somebody else's (I14). */
export async function findApproval(
  db: Kysely<Schema>,
  statements: Statements,
  workspaceId: string,
  id: string,
): Promise<Approval | undefined> {
  const row = await statements.approvalRow.first(db, { id });
  if (row?.workspace_id !== workspaceId) return undefined;
  return approvalOf(row, await countIdentical(db, row));
}

/** How many pending requests are for the very same call: one, this one, when it is not pending any more. */
export async function countIdentical(db: Kysely<Schema>, row: ApprovalsTable): Promise<number> {
  if (row.status !== "pending") return 1;
  const { pending } = await db
    .selectFrom("approvals")
    .select((eb) => eb.fn.countAll<number>().as("pending"))
    .where("workspace_id", "=", row.workspace_id)
    .where("agent_key", "=", row.agent_key)
    .where("status", "=", "pending")
    .executeTakeFirstOrThrow();
  return Math.max(1, pending);
}

/** An approval as the API shows it. Only this gateway writes the JSON columns. */
export function approvalOf(row: ApprovalsTable, identical: number): Approval {
  return {
    id: row.id,
    runId: row.run_id,
    rootRunId: row.root_run_id,
    status: row.status as ApprovalStatus,
    request: JSON.parse(row.request),
    answer: row.answer === null ? null : JSON.parse(row.answer),
    identical,
    requestedAt: row.requested_at,
    answeredAt: row.answered_at,
    spentAt: row.spent_at,
    revokedAt: row.revoked_at,
  };
}
