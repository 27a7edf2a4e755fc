import type {
  Approval,
  ApprovalRequest,
  ApprovalScope,
  ApprovalStatus,
  ScopePreview,
} from "../contract/approval.ts";
import type { Resumed } from "./run-trees.ts";

/** An answer as it is written down. */
export interface AnswerToWrite {
  status: "approved" | "denied";
  scope: ApprovalScope | null;
  scopeExpiresAt: string | null;
  answeredBy: string;
  note: string | null;
  rememberedUntil: string | null;
}

export type Answered =
  | { type: "answered"; approval: Approval; resumed: Resumed[] }
  /** It had an answer already, or has run out: the approval as it is. */
  | { type: "already"; approval: Approval; resumed: Resumed[] };

/**
 * The rows of approvals: what the events of the journals say of them, written in the same transaction (I1). They outlive
 * the run that asked.
 */
export interface ApprovalRows {
  /**
   * The time by which approvals run out: wall-clock milliseconds that never go back. A new request takes its
   * `expires_at` from here.
   */
  now(): number;
  get(workspaceId: string, id: string): Promise<Approval | undefined>;
  list(
    workspaceId: string,
    filter: { status?: ApprovalStatus; limit: number; cursor?: string },
  ): Promise<{ approvals: Approval[]; nextCursor?: string }>;
  /**
   * Appends `approval.resolved` to the run that asked, and to every run whose pending request the answer covers. Undefined
   * when it is not there.
   */
  answer(workspaceId: string, id: string, answer: AnswerToWrite): Promise<Answered | undefined>;
  /** Appends `approval.resolved` with `expired` where nobody answered in time; standing approvals out of time end. */
  expire(): Promise<Resumed[]>;
  /**
   * Gives pending requests the answer that covers them already: this one, or all. Such are left by a crash in the middle
   * of `answer`, and by a request that was written in the moment of an answer.
   */
  settle(id?: string): Promise<Resumed[]>;
  /** When the next pending request or standing approval runs out, as wall-clock milliseconds. */
  nextExpiry(): Promise<number | undefined>;
  /** An approval in force that covers a call with these keys, and the call would otherwise be asked for. */
  standing(
    workspaceId: string,
    rootRunId: string,
    keys: ApprovalRequest["keys"],
  ): Promise<{ id: string; scope: ApprovalScope } | undefined>;
  /** A refusal of the very same call (of `artifact_exec`: the same program) that is still remembered. */
  refusal(
    workspaceId: string,
    keys: ApprovalRequest["keys"],
  ): Promise<{ id: string; until: string; note: string | null } | undefined>;
  /** How often a run tree has asked since then. */
  askedSince(rootRunId: string, since: string): Promise<number>;
  /** Appends `approval.revoked`. Undefined when it is not there; null when there is nothing to take back. */
  revoke(
    workspaceId: string,
    id: string,
    revocation: { revokedBy: string; reason: string | null },
  ): Promise<Approval | null | undefined>;
  /** Past requests of the workspace that each scope would also have covered. */
  previews(workspaceId: string, approval: Approval): Promise<ScopePreview[]>;
  /** The newest approved request of the same agent (by id, else by revision) and tool before this one. */
  lastApproved(workspaceId: string, approval: Approval): Promise<Approval | undefined>;
}
