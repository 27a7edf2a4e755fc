import { AgentInstall } from "../contract/agent-install.ts";
import type { agentRoutes } from "./agent-routes.ts";
import { readSubmission } from "./form.ts";
import type { Answers, Front } from "./front.ts";

/** Agents of a workspace: listed, installed, shown and taken away. */
export function answerAgents(front: Front): Pick<Answers, keyof typeof agentRoutes> {
  const { agents } = front;
  return {
    async listAgents({ c, caller }) {
      return c.json({ agents: await agents.all(caller.token.workspaceId) });
    },

    async installAgent({ c, caller }) {
      const { workspaceId, id: installedBy } = caller.token;
      // Before the body, which is what costs.
      front.submissions(workspaceId);
      const { submission, uploads } = await readSubmission(c, AgentInstall, front);
      const { files } = submission;
      const made = await agents.install(workspaceId, { files, uploads, installedBy });
      const { created, agent } = made;
      if (!created) return c.json({ created, agent }, 200);
      return c.json({ created, agent }, 201, { Location: `/api/agents/${agent.id}` });
    },

    async getAgent({ c, caller, params: { id }, query: { revision } }) {
      return c.json({ agent: await agents.get(caller.token.workspaceId, id, wanted(revision)) });
    },

    async exportAgent({ c, caller, params: { id }, query: { revision } }) {
      const { workspaceId } = caller.token;
      front.exports(workspaceId);
      const exported = await agents.export(workspaceId, id, wanted(revision));
      const files = exported.files.map(({ bytes, ...file }) => ({
        ...file,
        contentBase64: bytes.toString("base64"),
      }));
      return c.json({ ...exported, files });
    },

    async deleteAgent({ c, caller, params: { id } }) {
      await agents.delete(caller.token.workspaceId, id);
      return c.json({});
    },
  };
}

function wanted(revision: string | undefined): string | number | undefined {
  return revision === undefined || revision.startsWith("sha256:") ? revision : Number(revision);
}
