import { z } from "zod";
import { limits } from "../base/limits.ts";
import { failure, type Tool } from "./tool.ts";

const AgentMessage = z
  .strictObject({
    agent_id: z.string().min(1).max(128).optional().describe("Every open session of this agent"),
    session_id: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .describe("One session (a task's id is its session's), or \"parent\": who started you"),
    message: z.string().min(1).max(limits.messageChars),
  })
  .refine(({ agent_id, session_id }) => (agent_id === undefined) !== (session_id === undefined), {
    error: "expected exactly one of agent_id and session_id",
  });
type AgentMessage = z.infer<typeof AgentMessage>;

export const agentMessage: Tool<AgentMessage> = {
  name: "agent_message",
  description:
    "Says something to agents of this workflow that are still at work: they read it before their next turn. It wakes nobody who waits, and there is no answer but what they say by themselves.",
  input: AgentMessage,
  repeatable: true,
  capability: "AgentMessage",
  wants: ({ agent_id = null }) => ({
    type: "AgentMessage",
    agent: agent_id === "parent" ? null : agent_id,
  }),

  async run({ agent_id, session_id, message }, { facts }) {
    const to = agent_id ?? session_id ?? "";
    const sent = await facts.send(to, message);
    const named = JSON.stringify(to);
    switch (sent.type) {
      case "delivered":
        return { result: { ok: true, delivered: sent.to } };
      case "unknown": {
        const known = sent.known.join(", ") || "nobody else";
        const problem = `Nobody in this workflow is ${named}`;
        return { result: failure("resource", problem, `There is: ${known}`) };
      }
      case "ended": {
        const problem = `${named} has ended, and reads nothing any more`;
        return { result: failure("resource", problem, "Start a new task that knows it") };
      }
      case "forbidden":
        return { result: failure("permission", sent.rule, "Do without, or tell who started you") };
      case "full": {
        const problem = `${sent.session_id} has ${limits.messagesUnread} messages that it has not read`;
        return { result: failure("resource", problem, "Wait until it has taken a turn") };
      }
    }
  },
};
