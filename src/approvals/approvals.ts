/**
 * Approvals: questions to people. A request is bound to the digest of exactly what will run; an answer is given once;
 * what was approved runs at most once for each time it was approved, and anything else does not run at all.
 *
 * P3  What a person approved is exactly what runs.
 * I12 A call that waits for an answer is a row, and nothing else.
 */
import type {
  Approval,
  ApprovalDetail,
  ApprovalStatus,
  ApproveRequest,
  DenyRequest,
} from "../contract/approval.ts";

export { bindCall, changedParts, keysOf, nonePart, secretsPart } from "./binding.ts";
export { type ApprovalsOptions, type OpenApprovals, openApprovals } from "./open-approvals.ts";
export { makeRequest, type Question } from "./request.ts";
export {
  type ApprovalResult,
  approvalExpired,
  approvalMismatch,
  approvalNotFound,
  approvalRejected,
  approvalRequired,
  approvalRevoked,
  askedTooOften,
  refusedBefore,
  replayed,
} from "./results.ts";
export type { ReadContent } from "./since-approved.ts";

export interface ApprovalListFilter {
  /** Left out: all. Pending requests for the very same call are one entry, the oldest. */
  status?: ApprovalStatus;
  limit: number;
  cursor?: string;
}

/** What people may do with approvals. Every method is scoped by workspace (I14) and throws `Problem`s. */
export interface Approvals {
  /** Newest first; pending ones oldest first, for they wait. */
  list(
    workspaceId: string,
    filter: ApprovalListFilter,
  ): Promise<{ approvals: Approval[]; nextCursor?: string }>;
  /**
   * Everything that will run, in full length: the strings too, of which a list has only the head when they were too long
   * for the journal. Throws `digest_mismatch` when a part of a pending request cannot be read.
   */
  get(workspaceId: string, id: string): Promise<ApprovalDetail>;
  /**
   * Answers a pending request, durably, and lets its run go on. A second answer is `approval_answered` with the first
   * in `details.approval`. Pending requests that the scope covers are answered with it.
   */
  approve(
    workspaceId: string,
    id: string,
    answer: ApproveRequest & { answeredBy: string },
  ): Promise<Approval>;
  /** As `approve`. The refusal is remembered: until then the same call is refused without asking again. */
  deny(
    workspaceId: string,
    id: string,
    answer: DenyRequest & { answeredBy: string },
  ): Promise<Approval>;
  /** Takes an approval back: nothing more runs by it, and what runs by it loses its network within a second. */
  revoke(
    workspaceId: string,
    id: string,
    revocation: { revokedBy: string; reason?: string | undefined },
  ): Promise<Approval>;
}
