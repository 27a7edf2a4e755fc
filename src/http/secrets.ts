import { Problem } from "../contract/problem.ts";
import type { Answers, Front } from "./front.ts";
import type { secretRoutes } from "./secret-routes.ts";

/** Secrets of a workspace: values are taken and never given. */
export function answerSecrets(front: Front): Pick<Answers, keyof typeof secretRoutes> {
  const { secrets } = front;
  return {
    async listSecrets({ c, caller }) {
      return c.json({ secrets: await secrets.list(caller.token.workspaceId) });
    },

    async getSecret({ c, caller, params: { name } }) {
      const secret = await secrets.get(caller.token.workspaceId, name);
      if (secret === undefined) throw absent(name);
      return c.json({ secret });
    },

    async setSecret({ c, caller, params: { name }, body: { value } }) {
      const { workspaceId, id: setBy } = caller.token;
      const { created, secret } = await secrets.set(workspaceId, { name, value, setBy });
      if (!created) return c.json({ created, secret }, 200);
      return c.json({ created, secret }, 201, { Location: `/api/secrets/${name}` });
    },

    async deleteSecret({ c, caller, params: { name } }) {
      if (!(await secrets.delete(caller.token.workspaceId, name))) throw absent(name);
      return c.body(null, 204);
    },

    async rotateKey({ c }) {
      return c.json({ report: await secrets.rotateKey() });
    },
  };
}

function absent(name: string): Problem {
  return new Problem("not_found", `No secret has the name ${JSON.stringify(name)}`);
}
