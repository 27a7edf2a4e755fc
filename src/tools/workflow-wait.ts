import { z } from "zod";
import { limits } from "../base/limits.ts";
import { isEnd } from "../contract/run.ts";
import type { JoinPolicy } from "../contract/workflow.ts";
import type { TaskArtifact, TaskFacts } from "./run-tasks.ts";
import { hasSettled, outputOf, questionOf, summaryOf } from "./task-result.ts";
import { type Tool, type ToolContext, waitFor } from "./tool.ts";

const Arguments = z.strictObject({
  task_ids: z.array(z.string().min(1).max(200)).min(1).max(limits.waitTasks),
  workflow_id: z.string().optional().describe("Default: your own, the only one that you can see"),
  timeout_secs: z
    .int()
    .min(0)
    .max(300)
    .default(0)
    .describe("How long to wait at most. 0: only look"),
  poll_interval_secs: z.number().min(0).optional().describe("Not used: nothing is polled"),
});
type Arguments = z.infer<typeof Arguments>;

/**
 * Waits until each of the tasks has ended or asks a person, and no longer than it was told. The run is let go meanwhile:
 * how far things have come is looked up each time.
 */
export const workflowWait: Tool<Arguments> = {
  name: "workflow_wait",
  description:
    "Wait for tasks that you gave with agent_spawn, until each has ended or waits for a person.",
  input: Arguments,
  repeatable: true,
  capability: "AgentSpawn",
  wants: () => ({ type: "AgentSpawn", agent: null, children: 0 }),
  async run(args, context) {
    const { waited, runId, rootRunId } = context;
    const isOther = args.workflow_id !== undefined && args.workflow_id !== rootRunId;
    const all = isOther ? [] : await context.tasks.all();
    const ids = [...new Set(args.task_ids)];
    const found = new Map(all.map((task) => [task.task_id, task]));
    const tasks = ids.map((id) => found.get(id));
    const isOver =
      args.timeout_secs === 0 ||
      waited?.resolved !== undefined ||
      tasks.every((task) => task === undefined || hasSettled(task)) ||
      tasks.includes(undefined);
    if (!isOver) {
      const until = new Date(context.now() + args.timeout_secs * 1000).toISOString();
      return waitFor({ on: "children", tasks: ids, until });
    }
    const built = await context.tasks.artifacts();
    const known = tasks.filter((task) => task !== undefined);
    return {
      result: {
        ...{ ok: true, workflow_id: rootRunId },
        tasks: ids.map((id) => shown(id, found.get(id), built)),
        ...summed(known, ids.length),
        waited_secs: waitedSeconds(args, context),
      },
      seenTasks: known
        .filter(({ status, parent }) => parent === runId && isEnd(status))
        .map(({ task_id }) => task_id),
    };
  },
};

function shown(
  task_id: string,
  task: TaskFacts | undefined,
  built: ReadonlyMap<string, TaskArtifact[]>,
): Record<string, unknown> {
  if (task === undefined) return { task_id, status: "not_found" };
  const { agent_id, status, stop_reason, handoff } = task;
  const hasEnded = isEnd(status);
  const output = hasEnded ? outputOf(task, built.get(task_id)) : null;
  return {
    ...{ task_id, agent_id, session_id: task_id, status },
    result_summary: hasEnded ? summaryOf(task) : null,
    ...(hasEnded ? { stop_reason } : {}),
    ...(handoff === null ? {} : { handoff }),
    ...questionOf(task),
    ...(output === null ? {} : { output }),
  };
}

function summed(tasks: readonly TaskFacts[], asked: number): Record<string, unknown> {
  const isMissing = tasks.length < asked;
  const join_satisfied = !isMissing && isJoined(tasks);
  const waits = tasks.filter((task) => hasSettled(task) && !isEnd(task.status)).length;
  return {
    join_satisfied,
    any_failed: tasks.some(({ status }) => isEnd(status) && status !== "succeeded"),
    any_not_found: isMissing,
    message: isMissing
      ? "Not every one of these is a task of your workflow: agent_spawn gives the ids"
      : told(join_satisfied, waits),
  };
}

function told(isSatisfied: boolean, waits: number): string {
  if (isSatisfied) return "What you waited for is done";
  if (waits === 0) return "Not every task has ended";
  return "A person has to answer first: end your turn when there is nothing else to do, and you are told of the end";
}

/** Each group of them by its own policy; a group that nobody joins is done when its tasks are. */
function isJoined(tasks: readonly TaskFacts[]): boolean {
  const groups = new Map<string, { policy: JoinPolicy | null; tasks: TaskFacts[] }>();
  for (const task of tasks) {
    const key = `${task.parent} ${task.group}`;
    const group = groups.get(key) ?? { policy: task.policy, tasks: [] };
    group.tasks.push(task);
    groups.set(key, group);
  }
  return [...groups.values()].every(({ policy, tasks: own }) => {
    const all = own.every(({ status }) => isEnd(status));
    if (policy === "any") return own.some(({ status }) => isEnd(status));
    if (policy === "first_success") return all || own.some(({ status }) => status === "succeeded");
    return all;
  });
}

function waitedSeconds({ timeout_secs }: Arguments, { waited, now }: ToolContext): number {
  const until = waited?.started.until;
  if (until === undefined || until === null) return 0;
  const started = Date.parse(until) - timeout_secs * 1000;
  return Math.round(Math.min(timeout_secs, Math.max(0, (now() - started) / 1000)) * 10) / 10;
}
