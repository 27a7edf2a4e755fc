import { z } from "zod";
import { AgentId } from "../contract/agent.ts";
import type { Tool } from "./tool.ts";

const Arguments = z.strictObject({ agent_id: AgentId });
type Arguments = z.infer<typeof Arguments>;

/** Whether there is an agent to give a task to. */
export const agentExists: Tool<Arguments> = {
  name: "agent_exists",
  description: "Find out whether there is an agent of this id.",
  input: Arguments,
  repeatable: true,
  capability: "AgentSpawn",
  wants: () => ({ type: "AgentSpawn", agent: null, children: 0 }),
  async run({ agent_id }, { tasks }) {
    const found = await tasks.agent(agent_id);
    const exists = found !== undefined;
    const status = exists ? "healthy" : "not_found";
    const { name = null, description = null } = found ?? {};
    return { result: { ok: true, exists, agent_id, status, name, description } };
  },
};
