import type { Answers, Front } from "./front.ts";
import type { interactionRoutes } from "./interaction-routes.ts";

/** Questions of agents to people: each request becomes one call of the room. */
export function answerInteractions({
  interactions,
}: Front): Pick<Answers, keyof typeof interactionRoutes> {
  return {
    async listInteractions({ c, caller, query: { status, limit, cursor } }) {
      const page = await interactions.list(caller.token.workspaceId, {
        limit,
        ...(status === undefined ? {} : { status }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return c.json(page);
    },

    async getInteraction({ c, caller, params }) {
      const { workspaceId } = caller.token;
      return c.json({ interaction: await interactions.get(workspaceId, params.id) });
    },

    async answerInteraction({ c, caller, params, body }) {
      const { workspaceId, id: answeredBy } = caller.token;
      const answer = { ...body, answeredBy };
      return c.json({ interaction: await interactions.answer(workspaceId, params.id, answer) });
    },
  };
}
