import { z } from "zod";
import { AgentId } from "../contract/agent.ts";
import type { Tool } from "./tool.ts";

const Arguments = z.strictObject({
  intent: z.string().min(1).max(2000).describe("What the agent is to do, in a few words"),
  required_capabilities: z
    .array(z.string().min(1).max(64))
    .max(32)
    .optional()
    .describe("Types of capabilities that it should have, such as CodeExecution"),
  exclude_ids: z.array(AgentId).max(256).optional(),
  limit: z.int().min(1).max(50).default(10),
});
type Arguments = z.infer<typeof Arguments>;

/** Finds agents to give a task to. */
export const agentDiscover: Tool<Arguments> = {
  name: "agent_discover",
  description: "Find agents that could do a task, best first.",
  input: Arguments,
  repeatable: true,
  capability: "AgentSpawn",
  wants: () => ({ type: "AgentSpawn", agent: null, children: 0 }),
  async run({ intent, required_capabilities, exclude_ids, limit }, { tasks }) {
    const found = await tasks.discover({
      intent,
      ...(required_capabilities === undefined ? {} : { required_capabilities }),
      ...(exclude_ids === undefined ? {} : { exclude_ids }),
    });
    const results = found.slice(0, limit);
    return { result: { ok: true, query: intent, results, result_count: results.length } };
  },
};
