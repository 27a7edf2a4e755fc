import { z } from "zod";
import type { Tool } from "./tool.ts";

const ApprovalStatus = z.strictObject({
  approval_id: z.string().min(1).max(64).describe("apr_…"),
});
type ApprovalStatus = z.infer<typeof ApprovalStatus>;

/** The words in which agents are told; the others are the same. */
const words: Record<string, string> = { denied: "rejected" };

export const approvalStatus: Tool<ApprovalStatus> = {
  name: "approval_status",
  description:
    "Says where an approval stands that a call of this workflow waits for, or waited for. Calls go on by themselves once they are approved.",
  input: ApprovalStatus,
  repeatable: true,
  capability: null,
  wants: () => null,

  async run({ approval_id }, { facts, rootRunId }) {
    const found = await facts.approval(approval_id);
    if (found === undefined) return { result: { ok: true, approval_id, status: "not_found" } };
    const { status, revokedAt, request, answer } = found;
    return {
      result: {
        ...{ ok: true, approval_id },
        status: revokedAt === null ? (words[status] ?? status) : "revoked",
        ...{ tool: request.tool, summary: request.summary, agent_id: request.agent.id },
        ...{ session_id: found.runId, task_id: found.runId, workflow_id: rootRunId },
        ...{ created_at: found.requestedAt, decided_at: found.answeredAt },
        ...{ decided_by: answer?.answered_by ?? null, reason: answer?.note ?? null },
      },
    };
  },
};
