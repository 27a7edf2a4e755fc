import type { approvalRoutes } from "./approval-routes.ts";
import type { Answers, Front } from "./front.ts";

/** Approvals of a workspace, and the policy explained: each request becomes one call of a room. */
export function answerApprovals(front: Front): Pick<Answers, keyof typeof approvalRoutes> {
  const { approvals } = front;
  return {
    async listApprovals({ c, caller, query: { status, limit, cursor } }) {
      const page = await approvals.list(caller.token.workspaceId, {
        limit,
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return c.json(page);
    },

    async getApproval({ c, caller, params }) {
      return c.json({ approval: await approvals.get(caller.token.workspaceId, params.id) });
    },

    async approve({ c, caller, params, body }) {
      const { workspaceId, id: answeredBy } = caller.token;
      const approval = await approvals.approve(workspaceId, params.id, { ...body, answeredBy });
      return c.json({ approval });
    },

    async deny({ c, caller, params, body }) {
      const { workspaceId, id: answeredBy } = caller.token;
      const approval = await approvals.deny(workspaceId, params.id, { ...body, answeredBy });
      return c.json({ approval });
    },

    async revokeApproval({ c, caller, params, body }) {
      const { workspaceId, id: revokedBy } = caller.token;
      const approval = await approvals.revoke(workspaceId, params.id, { ...body, revokedBy });
      return c.json({ approval });
    },

    async explainPolicy({ c, caller, body }) {
      const { workspaceId } = caller.token;
      // Reading code costs as much as a submission does.
      front.submissions(workspaceId);
      return c.json(await front.explain(workspaceId, body));
    },
  };
}
