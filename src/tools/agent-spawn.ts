import { z } from "zod";
import { AgentId } from "../contract/agent.ts";
import { isEnd } from "../contract/run.ts";
import { JoinPolicy, type SpawnedTask } from "../contract/workflow.ts";
import type { TaskAsk, TaskFacts } from "./run-tasks.ts";
import { asksPerson, filesOf, questionOf } from "./task-result.ts";
import { failure, type Tool, type ToolContext, type ToolOutcome, waitFor } from "./tool.ts";

const Arguments = z
  .strictObject({
    agent_id: AgentId.describe("The agent that is to do it"),
    message: z
      .string()
      .max(1_000_000)
      .refine((text) => text.trim() !== "", "must not be blank")
      .optional()
      .describe("The task, with everything that the agent has to know: it sees nothing of yours"),
    input: z.json().optional().describe("JSON for an agent that accepts it"),
    metadata: z
      .record(z.string().min(1).max(128), z.json())
      .optional()
      .describe("Facts about the delegation, such as its reason; the agent is told them"),
    async: z
      .boolean()
      .optional()
      .describe("Do not wait: workflow_wait has the result. Default: false"),
    join_group: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "expected letters, digits, -, _ and .")
      .optional()
      .describe("async: tasks of a group are waited for together. Default: default"),
    join_policy: JoinPolicy.optional().describe(
      "async: when the group counts as done. Default: all",
    ),
    session_id: z.string().optional().describe("Not used: a task belongs to your own workflow"),
  })
  .refine(({ message, input }) => message !== undefined || input !== undefined, {
    path: ["message"],
    error: "expected a message, or input",
  });
type Arguments = z.infer<typeof Arguments>;

/**
 * Gives a task to another agent: a run of its own within the tree. A call makes one, however often it is repeated, so it
 * can wait, die and be asked again.
 */
export const agentSpawn: Tool<Arguments> = {
  name: "agent_spawn",
  description:
    "Give a task to another agent, and wait for what comes of it; with async: true, go on meanwhile.",
  input: Arguments,
  repeatable: true,
  capability: "AgentSpawn",
  wants: ({ agent_id }) => ({ type: "AgentSpawn", agent: agent_id, children: 1 }),
  async run(args, context) {
    const made = await context.tasks.make(askOf(args, context.callId));
    if (!made.ok) return { result: made.result };
    const { task } = made;
    if (task.async) return { result: accepted(args, task, context), task };
    const facts = (await context.tasks.all()).find(({ task_id }) => task_id === task.task_id);
    if (facts === undefined) return { result: goneResult(task), task, seenTasks: [task.task_id] };
    if (isEnd(facts.status)) {
      const result = { ...(await ended(facts, context)), ...notes(args) };
      return { result, task, seenTasks: [task.task_id] };
    }
    if (asksPerson(facts.status))
      return { result: { ...asks(facts, context), ...notes(args) }, task };
    return waitFor({ on: "children", tasks: [task.task_id], until: null });
  },
};

/** A task that is waited for is a group of its own: no other one joins it. */
function askOf(args: Arguments, callId: string): TaskAsk {
  const { agent_id, message = null, input, metadata = {}, async = false } = args;
  return {
    ...{ agent: agent_id, message, metadata, async },
    ...(input === undefined ? {} : { input }),
    group: async ? (args.join_group ?? "default") : `sync:${callId}`,
    policy: async ? (args.join_policy ?? "all") : "all",
  };
}

function accepted(
  args: Arguments,
  { task_id, agent_id, group, policy }: SpawnedTask,
  { rootRunId }: ToolContext,
): ToolOutcome["result"] {
  return {
    ...{ ok: true, accepted: true, status: "queued" },
    ...{ workflow_id: rootRunId, task_id, agent_id, session_id: task_id },
    ...{ join_group: group, join_policy: policy },
    message:
      "The task was given. workflow_wait tells how it is; its end is told to you at the latest when you have nothing more to say",
    ...notes(args),
  };
}

function notes({ session_id, async, join_group, join_policy }: Arguments): Record<string, unknown> {
  const all = [
    ...(session_id === undefined
      ? []
      : ["session_id was not used: a task is a new run of your own workflow"]),
    ...(async !== true && (join_group !== undefined || join_policy !== undefined)
      ? ["join_group and join_policy were not used: this task was waited for"]
      : []),
  ];
  return all.length === 0 ? {} : { notes: all };
}

const idsOf = ({ task_id, agent_id }: { task_id: string; agent_id: string }, root: string) => ({
  ...{ workflow_id: root, task_id, agent_id, session_id: task_id },
});

async function ended(facts: TaskFacts, context: ToolContext): Promise<ToolOutcome["result"]> {
  const { task_id, status, stop_reason, message, handoff, usage } = facts;
  const made = {
    ...idsOf(facts, context.rootRunId),
    assistant_reply: await context.tasks.reply(task_id),
    artifacts: (await context.tasks.artifacts()).get(task_id) ?? [],
    files: await filesOf(context, task_id),
    llm_usage: [usage],
    ...(handoff === null ? {} : { handoff }),
    stop_reason,
  };
  if (status === "succeeded") return { ok: true, status: "agent_spawned", ...made };
  const why = message === null ? "" : `: ${message}`;
  return failure(
    "execution",
    `The task of ${facts.agent_id} ended as ${status} (${stop_reason})${why}`,
    "Look at what it left, then give it another task, or do without",
    { status, ...made },
  );
}

function asks(facts: TaskFacts, { rootRunId }: ToolContext): ToolOutcome["result"] {
  return {
    ...{ ok: true, status: facts.status },
    ...idsOf(facts, rootRunId),
    ...questionOf(facts),
    message:
      "The task waits for a person and goes on by itself once there is an answer. Do not give it again: do what does not need it, then end your turn, and you are told of its end",
  };
}

function goneResult(task: SpawnedTask): ToolOutcome["result"] {
  const message = `The task ${task.task_id} was deleted`;
  return failure("resource", message, "Give it again if it is still needed", { status: "deleted" });
}
