import { z } from "zod";
import { limits } from "../base/limits.ts";
import { isEnd } from "../contract/run.ts";
import type { TaskArtifact, TaskFacts } from "./run-tasks.ts";
import { asksPerson, outputOf, questionOf, summaryOf } from "./task-result.ts";
import { failure, type Tool, type ToolOutcome } from "./tool.ts";
import { isRefused, roleOf, verdictsOf } from "./verdict.ts";

const Arguments = z.strictObject({
  workflow_id: z.string().optional().describe("Default: your own, the only one that you can see"),
});
type Arguments = z.infer<typeof Arguments>;

/**
 * How far the work of the tree has come, from rows and nothing else. What the guards and the hint say is, in a task, about
 * that task alone: an artifact of somebody else does not make its own work done.
 */
export const workflowState: Tool<Arguments> = {
  name: "workflow_state",
  description:
    "Find out how far the work has come: tasks that ended, failed, wait for a person or are at work, and what can be reused.",
  input: Arguments,
  repeatable: true,
  capability: "ReadAccess",
  ofTree: true,
  wants: () => ({ type: "ReadAccess", name: null }),
  async run({ workflow_id }, { tasks, runId, rootRunId }) {
    if (workflow_id !== undefined && workflow_id !== rootRunId) {
      const message = `There is no workflow ${JSON.stringify(workflow_id)}`;
      return { result: failure("resource", message, `Leave it out: your own is ${rootRunId}`) };
    }
    const [all, built] = await Promise.all([tasks.all(), tasks.artifacts()]);
    return { result: stateOf(all, built, runId) };
  },
};

type Built = ReadonlyMap<string, TaskArtifact[]>;

/** What is told of a tree to one of its runs. */
export function stateOf(
  all: readonly TaskFacts[],
  built: Built,
  runId: string,
): ToolOutcome["result"] {
  const [root] = all;
  const above = ancestorsOf(runId, all);
  const tasks = all.filter(({ task_id }) => task_id !== runId && !above.has(task_id));
  const below = tasks.filter(({ task_id }) => ancestorsOf(task_id, all).has(runId));
  const guards = guardsOf(all, below, built, runId);
  const ended = tasks.filter(({ status }) => isEnd(status));
  return {
    ok: true,
    workflow_id: root?.task_id ?? runId,
    workflow_status: workflowStatus(all),
    completed_tasks: newest(ended.filter(({ status }) => status === "succeeded")).map((task) =>
      endedTask(task, built),
    ),
    failed_tasks: newest(ended.filter(({ status }) => status !== "succeeded")).map((task) =>
      endedTask(task, built),
    ),
    pending_approvals: asking(tasks, "awaiting_approval"),
    pending_interactions: asking(tasks, "awaiting_input"),
    active_tasks: newest(tasks.filter(({ status }) => !isEnd(status) && !asksPerson(status))).map(
      ({ task_id, agent_id, status }) => ({ task_id, agent_id, session_id: task_id, status }),
    ),
    latest_artifact_by_role: latestByRole(all, built),
    reuse_guards: guards,
    resume_hint: hintOf(guards, below),
  };
}

const newest = (tasks: readonly TaskFacts[]) => tasks.slice(-limits.stateTasks);

function endedTask(task: TaskFacts, built: Built): Record<string, unknown> {
  const { task_id, agent_id, status, stop_reason, handoff } = task;
  return {
    ...{ task_id, agent_id, session_id: task_id, status, stop_reason },
    result_summary: summaryOf(task),
    ...(handoff === null ? {} : { handoff }),
    output: outputOf(task, built.get(task_id)),
  };
}

function asking(tasks: readonly TaskFacts[], status: TaskFacts["status"]) {
  return newest(tasks.filter((task) => task.status === status)).map((task) => ({
    ...{ task_id: task.task_id, agent_id: task.agent_id, session_id: task.task_id, status },
    ...questionOf(task),
  }));
}

/** The runs by which this one was started. */
function ancestorsOf(runId: string, all: readonly TaskFacts[]): Set<string> {
  const parents = new Map(all.map(({ task_id, parent }) => [task_id, parent]));
  const above = new Set<string>();
  for (let at = parents.get(runId) ?? null; at !== null; at = parents.get(at) ?? null)
    above.add(at);
  return above;
}

function workflowStatus([root, ...tasks]: readonly TaskFacts[]): string {
  if (root === undefined) return "unknown";
  if (isEnd(root.status)) return root.status === "succeeded" ? "completed" : root.status;
  if ([root, ...tasks].some(({ status }) => status === "awaiting_approval")) {
    return "blocked_approval";
  }
  if ([root, ...tasks].some(({ status }) => status === "awaiting_input")) return "blocked_input";
  return root.status === "waiting_children" ? "waiting_children" : "active";
}

interface Guards extends Record<string, unknown> {
  has_coder_artifact: boolean;
  artifact_ref: string | null;
  has_evaluator_result: boolean;
  has_auditor_result: boolean;
  pending_approvals: boolean;
  active_tasks_running: boolean;
}

/**
 * What has not to be done again. Only an artifact counts, which others can take over; that a task ended with a summary says
 * nothing of its work.
 */
function guardsOf(
  all: readonly TaskFacts[],
  below: readonly TaskFacts[],
  built: Built,
  runId: string,
): Guards {
  const isRoot = all[0]?.task_id === runId;
  const self = all.filter(({ task_id }) => task_id === runId);
  const makers = isRoot
    ? all.filter(({ agent_id }) => roleOf(agent_id) === "coder")
    : [...self, ...below];
  const verdicts = verdictsOf(all);
  const artifact = latest(makers, built);
  const stands = artifact !== undefined && !isRefused(artifact, verdicts);
  const since = isRoot ? "" : (self[0]?.created_at ?? "");
  const isJudged = (role: string) =>
    verdicts.some((verdict) => verdict.role === role && verdict.since >= since);
  return {
    has_coder_artifact: stands,
    artifact_ref: stands ? artifact.artifact_ref : null,
    has_evaluator_result: isJudged("evaluator"),
    has_auditor_result: isJudged("auditor"),
    pending_approvals: below.some(({ status }) => status === "awaiting_approval"),
    active_tasks_running: below.some(({ status }) => !isEnd(status) && !asksPerson(status)),
  };
}

function latest(tasks: readonly TaskFacts[], built: Built): TaskArtifact | undefined {
  return tasks
    .flatMap(({ task_id }) => built.get(task_id) ?? [])
    .reduce<TaskArtifact | undefined>(
      (last, one) => (last === undefined || one.built_at >= last.built_at ? one : last),
      undefined,
    );
}

function latestByRole(all: readonly TaskFacts[], built: Built): Record<string, unknown> {
  const byRole = new Map<string, TaskFacts[]>();
  for (const task of all) {
    const role = roleOf(task.agent_id);
    if (role !== "") byRole.set(role, [...(byRole.get(role) ?? []), task]);
  }
  return Object.fromEntries(
    [...byRole].flatMap(([role, tasks]) => {
      const artifact = latest(tasks, built);
      const maker = tasks.find(({ task_id }) => built.get(task_id)?.includes(artifact as never));
      if (artifact === undefined || maker === undefined) return [];
      const { artifact_id, artifact_ref, built_at } = artifact;
      const { task_id, agent_id } = maker;
      const summary = isEnd(maker.status) ? summaryOf(maker) : null;
      return [
        [role, { task_id, agent_id, artifact_id, artifact_ref, summary, created_at: built_at }],
      ];
    }),
  );
}

/** What to do first, most urgent first. */
function hintOf(guards: Guards, below: readonly TaskFacts[]): string {
  if (guards.pending_approvals) return "approval_pending";
  if (guards.active_tasks_running) return "tasks_running";
  if (guards.has_coder_artifact && (guards.has_evaluator_result || guards.has_auditor_result)) {
    return "evaluation_complete";
  }
  if (guards.has_coder_artifact) return "coder_done";
  return below.some(({ status }) => isEnd(status)) ? "some_tasks_done" : "fresh_start";
}
