import type {
  Approval,
  ApprovalDetail,
  ApprovalScope,
  ApprovalStatus,
} from "../contract/approval.ts";
import { type PageOptions, pages, type Signal, type Transport } from "./transport.ts";

export interface ApprovalListOptions extends PageOptions {
  /** Left out: all. */
  status?: ApprovalStatus;
}

export interface ApproveOptions extends Signal {
  /** How far it reaches; default: the request's `default_scope`. One of the request's `scopes`. */
  scope?: ApprovalScope;
  /** Until when the scope reaches: a date, or its ISO form. */
  expiresAt?: Date | string;
  note?: string;
}

/**
 * Questions that agents asked people. To look takes a token with the scope `runs` or `approve`, to
 * answer one with `approve`.
 */
export interface ApprovalCalls {
  /** One page, newest first; with the status `pending` oldest first. `nextCursor` is there when there are more. */
  list(options?: ApprovalListOptions): Promise<{ approvals: Approval[]; nextCursor?: string }>;
  /** All of them, fetched page by page as the loop goes on. */
  all(options?: { status?: ApprovalStatus } & Signal): AsyncGenerator<Approval>;
  /** Exactly what would run, what scopes would have allowed, and what is other than last time. */
  get(approvalId: string, options?: Signal): Promise<ApprovalDetail>;
  /** Lets it run. A second answer throws an `ApprovalAnsweredError` with the first. */
  approve(approvalId: string, options?: ApproveOptions): Promise<Approval>;
  /** Refuses it; the agent reads the reason. A second answer throws as that of `approve`. */
  deny(approvalId: string, options?: { reason?: string } & Signal): Promise<Approval>;
  /** Takes an approval back. When there is nothing to take back, it throws as `approve` does. */
  revoke(approvalId: string, options?: { reason?: string } & Signal): Promise<Approval>;
}

const root = "/api/approvals";

export function openApprovalCalls(transport: Transport): ApprovalCalls {
  const list: ApprovalCalls["list"] = async ({ status, limit, cursor, signal } = {}) => {
    const query = { status, limit, cursor };
    const page = await transport.json({ method: "GET", path: root, query, signal });
    return page as { approvals: Approval[]; nextCursor?: string };
  };
  // An answer is not sent again by itself: the second try would be told of the first as of somebody
  // else's.
  const answer = async (path: string, json: object, signal: AbortSignal | undefined) => {
    const answered = await transport.json({ method: "POST", path, json, signal });
    return (answered as { approval: Approval }).approval;
  };
  return {
    list,
    all: ({ status, signal } = {}) =>
      pages(
        { signal },
        (page) => list({ ...page, ...(status === undefined ? {} : { status }) }),
        ({ approvals }) => approvals,
      ),
    async get(approvalId, { signal } = {}) {
      const found = await transport.json({ method: "GET", path: at(approvalId), signal });
      return (found as { approval: ApprovalDetail }).approval;
    },
    approve(approvalId, { scope, expiresAt, note, signal } = {}) {
      const until = expiresAt instanceof Date ? expiresAt.toISOString() : expiresAt;
      return answer(`${at(approvalId)}/approve`, { scope, expiresAt: until, note }, signal);
    },
    deny: (approvalId, { reason, signal } = {}) =>
      answer(`${at(approvalId)}/deny`, { reason }, signal),
    revoke: (approvalId, { reason, signal } = {}) =>
      answer(`${at(approvalId)}/revoke`, { reason }, signal),
  };
}

function at(approvalId: string): string {
  return `${root}/${encodeURIComponent(approvalId)}`;
}
