import type { forkRoutes } from "./fork-routes.ts";
import type { Answers, Front } from "./front.ts";
import { idempotencyKey } from "./idempotency-key.ts";

/** New runs from turns of others: each request becomes one call of the corridor. */
export function answerForks(front: Front): Pick<Answers, keyof typeof forkRoutes> {
  return {
    async forkRun({ c, caller, params, body }) {
      const { workspaceId, id: submittedBy } = caller.token;
      // A fork reads and writes as much as a submission does.
      front.submissions(workspaceId);
      const key = idempotencyKey(c.req.header("idempotency-key"), body.idempotencyKey);
      const { created, run } = await front.corridor.fork({
        ...{ ...body, workspaceId, submittedBy, runId: params.id },
        ...(key === undefined ? {} : { idempotencyKey: key }),
      });
      if (!created) return c.json({ run }, 200, { "Idempotent-Replayed": "true" });
      return c.json({ run }, 201, { Location: `/api/runs/${run.id}` });
    },
  };
}
