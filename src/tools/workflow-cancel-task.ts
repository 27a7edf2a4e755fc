import { z } from "zod";
import { isEnd } from "../contract/run.ts";
import type { TaskFacts } from "./run-tasks.ts";
import { failure, type Tool } from "./tool.ts";

const Arguments = z.strictObject({
  workflow_id: z.string().optional().describe("Default: your own, the only one that you can see"),
  task_id: z.string().min(1).max(200),
  reason: z.string().max(1000).optional(),
});
type Arguments = z.infer<typeof Arguments>;

/** Ends a task that the run gave, or that one of its tasks gave, wherever it stands. */
export const workflowCancelTask: Tool<Arguments> = {
  name: "workflow_cancel_task",
  description: "End a task that you gave, with all that it started. What it wrote stays.",
  input: Arguments,
  repeatable: true,
  capability: "AgentSpawn",
  wants: () => ({ type: "AgentSpawn", agent: null, children: 0 }),
  async run({ workflow_id, task_id, reason = null }, { tasks, runId, rootRunId }) {
    const isOther = workflow_id !== undefined && workflow_id !== rootRunId;
    const all = isOther ? [] : await tasks.all();
    const task = all.find((one) => one.task_id === task_id);
    if (task === undefined || !isBelow(task, runId, all)) {
      const message = `There is no task ${JSON.stringify(task_id)} that you gave`;
      const hint = "Use a task_id that agent_spawn gave you, or that workflow_state lists";
      return { result: failure("resource", message, hint, { task_id, status: "not_found" }) };
    }
    const ids = { task_id, workflow_id: rootRunId, reason };
    if (isEnd(task.status)) {
      // A repeated call finds what it did the first time.
      if (task.status === "cancelled") return { result: { ok: true, ...ids, status: "cancelled" } };
      const message = `The task ${task_id} has ended already, as ${task.status}`;
      const hint = "Nothing has to be done: workflow_wait has its result";
      return { result: failure("validation", message, hint, { ...ids, status: task.status }) };
    }
    await tasks.cancel(task_id);
    return { result: { ok: true, ...ids, status: "cancelled", was: task.status } };
  },
};

/** A run may end what it started, and what that started; never itself, its siblings or who started it. */
function isBelow(task: TaskFacts, runId: string, all: readonly TaskFacts[]): boolean {
  const parents = new Map(all.map(({ task_id, parent }) => [task_id, parent]));
  let at = task.parent;
  while (at !== null && at !== runId) at = parents.get(at) ?? null;
  return at === runId;
}
