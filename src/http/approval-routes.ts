import { z } from "zod";
import {
  Approval,
  ApprovalDetail,
  ApproveRequest,
  DenyRequest,
  RevokeRequest,
} from "../contract/approval.ts";
import { ExplainRequest, Explanation } from "../contract/explanation.ts";
import { ApprovalId } from "../contract/ids.ts";
import { ApprovalListQuery } from "./query.ts";
import type { Route } from "./route.ts";

const ofApproval = z.object({ id: ApprovalId });
const approval = z.object({ approval: Approval });
/** Who follows a run may see what it waits for; to answer takes the scope `approve`, which no agent has. */
const lookers = ["runs", "approve"] as const;

/** Questions to people, and what the policy would say. */
export const approvalRoutes = {
  listApprovals: {
    method: "get",
    path: "/api/approvals",
    scope: lookers,
    tag: "Approvals",
    summary: "List approvals, newest first",
    description:
      "With `status=pending`, oldest first, and of requests for the very same call only the oldest: `identical` says how " +
      "many they are. Strings of a request that are longer than 64 KiB end early here, in `…`.",
    query: ApprovalListQuery,
    replies: {
      200: {
        description: "One page; `nextCursor` when there is another",
        schema: z.object({
          approvals: z.array(Approval),
          nextCursor: z.string().optional().describe("Pass it as `cursor` to read on"),
        }),
      },
    },
  },
  getApproval: {
    method: "get",
    path: "/api/approvals/{id}",
    scope: lookers,
    tag: "Approvals",
    summary: "Get an approval: exactly what would run",
    description:
      "With what each scope would have allowed besides (`previews`), and what is other than when the same agent was last " +
      "approved (`sinceApproved`).",
    params: ofApproval,
    replies: {
      200: {
        description: "The approval as it is now",
        schema: z.object({ approval: ApprovalDetail }),
      },
    },
    problems: ["digest_mismatch"],
  },
  approve: {
    method: "post",
    path: "/api/approvals/{id}/approve",
    scope: "approve",
    tag: "Approvals",
    summary: "Let what was asked for run",
    description:
      "Durable before the answer; the gateway then goes on with the call by itself. The second answer is `approval_answered`, " +
      "with the first in `details.approval`.",
    params: ofApproval,
    body: ApproveRequest,
    bodyOptional: true,
    replies: { 200: { description: "It is approved", schema: approval } },
    problems: ["approval_answered", "storage_full"],
  },
  deny: {
    method: "post",
    path: "/api/approvals/{id}/deny",
    scope: "approve",
    tag: "Approvals",
    summary: "Refuse what was asked for",
    description:
      "The agent reads the reason and goes on without the call. For a while the same is refused without asking: see " +
      "`answer.remembered_until`.",
    params: ofApproval,
    body: DenyRequest,
    bodyOptional: true,
    replies: { 200: { description: "It is denied", schema: approval } },
    problems: ["approval_answered", "storage_full"],
  },
  revokeApproval: {
    method: "post",
    path: "/api/approvals/{id}/revoke",
    scope: "approve",
    tag: "Approvals",
    summary: "Take an approval back",
    description:
      "Nothing more runs by it, and what runs by it now loses its network within a second. When there is nothing to take back " +
      "(any more), it is `approval_answered`.",
    params: ofApproval,
    body: RevokeRequest,
    bodyOptional: true,
    replies: { 200: { description: "It is revoked", schema: approval } },
    problems: ["approval_answered", "storage_full"],
  },
  explainPolicy: {
    method: "post",
    path: "/api/policy/explain",
    scope: "runs",
    tag: "Policy",
    summary: "Tell what the policy would say of a call",
    description: "Nothing runs, nothing is asked and nothing is kept.",
    body: ExplainRequest,
    replies: { 200: { description: "The decision and all its reasons", schema: Explanation } },
    problems: ["too_many_requests"],
  },
} as const satisfies Record<string, Route>;
