import { RunSubmission } from "../contract/submission.ts";
import { readSubmission } from "./form.ts";
import type { Answers, Front } from "./front.ts";
import { idempotencyKey } from "./idempotency-key.ts";

type RunRoutes =
  | "submitRun"
  | "listRuns"
  | "getRun"
  | "runTree"
  | "deleteRun"
  | "cancelRun"
  | "stopRun";

/** Runs: each request becomes one call of the corridor. */
export function answerRuns(front: Front): Pick<Answers, RunRoutes> {
  const { corridor } = front;
  return {
    async submitRun({ c, caller }) {
      // Before the body, which is what costs.
      front.submissions(caller.token.workspaceId);
      const { submission, uploads } = await readSubmission(c, RunSubmission, front);
      const key = idempotencyKey(c.req.header("idempotency-key"), submission.idempotencyKey);
      const { created, run } = await corridor.submit({
        workspaceId: caller.token.workspaceId,
        submittedBy: caller.token.id,
        submission: key === undefined ? submission : { ...submission, idempotencyKey: key },
        uploads,
      });
      if (!created) return c.json({ run }, 200, { "Idempotent-Replayed": "true" });
      return c.json({ run }, 201, { Location: `/api/runs/${run.id}` });
    },

    async listRuns({ c, caller, query: { status, limit, cursor } }) {
      const page = await corridor.list(caller.token.workspaceId, {
        limit,
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return c.json(page);
    },

    async getRun({ c, caller, params }) {
      return c.json({ run: await corridor.get(caller.token.workspaceId, params.id) });
    },

    async runTree({ c, caller, params }) {
      return c.json(await corridor.tree(caller.token.workspaceId, params.id));
    },

    async deleteRun({ c, caller, params }) {
      await corridor.delete(caller.token.workspaceId, params.id);
      return c.json({});
    },

    async cancelRun({ c, caller, params }) {
      const { workspaceId, id: tokenId } = caller.token;
      return c.json({ run: await corridor.cancel(workspaceId, params.id, tokenId) }, 202);
    },

    async stopRun({ c, caller, params, body: { reason } }) {
      const { workspaceId, id: requestedBy } = caller.token;
      return c.json(
        { run: await corridor.stop(workspaceId, params.id, { requestedBy, reason }) },
        202,
      );
    },
  };
}
