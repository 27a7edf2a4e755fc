import { z } from "zod";
import { AgentId } from "../contract/agent.ts";
import { AgentExport, AgentInstall } from "../contract/agent-install.ts";
import { Agent, AgentDetail } from "../contract/installed-agent.ts";
import { AgentQuery } from "./query.ts";
import type { Route } from "./route.ts";

const ofAgent = z.object({ id: AgentId });
const agent = z.object({ agent: AgentDetail });

const installed = z.object({
  created: z.boolean().describe("The workspace did not have these bytes"),
  agent: AgentDetail,
});

/** Agents of the workspace. To install one gives power, so it takes the scope `admin`. */
export const agentRoutes = {
  listAgents: {
    method: "get",
    path: "/api/agents",
    scope: ["runs", "admin"],
    tag: "Agents",
    summary: "List agents, by id",
    description: "Those that are installed, and those that come with the gateway.",
    replies: {
      200: { description: "All agents", schema: z.object({ agents: z.array(Agent) }) },
    },
    problems: ["digest_mismatch"],
  },
  installAgent: {
    method: "post",
    path: "/api/agents",
    scope: "admin",
    tag: "Agents",
    summary: "Install an agent, or another revision of it",
    description:
      "The id is that of its manifest. The revision is active from then on: runs that have begun keep theirs. The same " +
      "bytes are the same revision. `agent_invalid` names every problem of SKILL.md with its line, in `details.problems`.",
    body: AgentInstall,
    multipart:
      "The part `submission` (JSON, in any position) and exactly one part `file:<slot>` for each `files[].slot`",
    replies: {
      201: { description: "A new revision", schema: installed, headers: { Location: "The agent" } },
      200: {
        description: "A revision that was there already, now the active one",
        schema: installed,
      },
    },
    problems: ["agent_invalid", "too_many_requests", "storage_full"],
  },
  getAgent: {
    method: "get",
    path: "/api/agents/{id}",
    scope: ["runs", "admin"],
    tag: "Agents",
    summary: "Get an agent with its text and files",
    params: ofAgent,
    query: AgentQuery,
    replies: { 200: { description: "The agent", schema: agent } },
    problems: ["digest_mismatch"],
  },
  exportAgent: {
    method: "get",
    path: "/api/agents/{id}/export",
    scope: ["runs", "admin"],
    tag: "Agents",
    summary: "Get the folder of an agent",
    description: "Every file with its bytes: what `installAgent` takes.",
    params: ofAgent,
    query: AgentQuery,
    replies: { 200: { description: "The folder", schema: AgentExport } },
    problems: ["digest_mismatch", "too_many_requests"],
  },
  deleteAgent: {
    method: "delete",
    path: "/api/agents/{id}",
    scope: "admin",
    tag: "Agents",
    summary: "Delete an installed agent, with all its revisions",
    description:
      "Runs keep what they began with. An agent that comes with the gateway is there again, if it was hidden.",
    params: ofAgent,
    replies: { 200: { description: "It is deleted", schema: z.object({}) } },
  },
} as const satisfies Record<string, Route>;
