import { describe, expect, it } from "vitest";
import type { TaskArtifact, TaskFacts } from "./run-tasks.ts";
import { stateOf } from "./workflow-state.ts";

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString();

function task(task_id: string, agent_id: string, more: Partial<TaskFacts> = {}): TaskFacts {
  return {
    ...{ task_id, agent_id, parent: "root", status: "succeeded", stop_reason: "end_turn" },
    ...{ message: null, reply: "All done, with tests.", handoff: null, group: "g", policy: "all" },
    ...{ approval_request_id: null, interaction_id: null, created_at: at(1), finished_at: at(2) },
    usage: { model: "scripted/x", input_tokens: 0, output_tokens: 0, cost_usd: 0 },
    ...more,
  };
}

const root = task("root", "planner.default", {
  ...{ parent: null, status: "running", stop_reason: null, reply: null, created_at: at(0) },
});
const artifact = (minute: number, artifact_ref = "ar.1"): TaskArtifact => ({
  ...{ artifact_id: `art_${artifact_ref}`, artifact_ref, name: null, built_at: at(minute) },
});
const judged = (role: string, pass: boolean, minute: number, more = {}) =>
  task(`${role}${minute}`, `${role}.default`, {
    reply: `Here it is:\n\`\`\`json\n${JSON.stringify({ [`${role}_pass`]: pass, ...more })}\n\`\`\``,
    created_at: at(minute),
  });

const built = (...entries: [string, ...TaskArtifact[]][]) =>
  new Map(entries.map(([id, ...all]) => [id, all]));

function guards(tasks: TaskFacts[], made: Map<string, TaskArtifact[]>, runId = "root") {
  const { reuse_guards, resume_hint } = stateOf([root, ...tasks], made, runId);
  return { ...(reuse_guards as Record<string, unknown>), resume_hint };
}

describe("what can be reused", () => {
  it("is an artifact, and never what a task says of itself", () => {
    const coder = task("coder", "coder.default");
    expect(guards([coder], new Map())).toMatchObject({
      ...{ has_coder_artifact: false, artifact_ref: null, resume_hint: "some_tasks_done" },
    });
    expect(guards([coder], built(["coder", artifact(2)]))).toMatchObject({
      ...{ has_coder_artifact: true, artifact_ref: "ar.1", resume_hint: "coder_done" },
    });
  });

  it("is not the artifact of an agent of another role", () => {
    const packager = task("packager", "packager.default");
    expect(guards([packager], built(["packager", artifact(2)]))).toMatchObject({
      has_coder_artifact: false,
    });
  });

  it.each(["evaluator", "auditor"])("is no artifact that an %s refused later", (role) => {
    const coder = task("coder", "coder.default");
    const made = built(["coder", artifact(2)]);
    expect(guards([coder, judged(role, false, 3)], made)).toMatchObject({
      ...{ has_coder_artifact: false, artifact_ref: null, [`has_${role}_result`]: true },
    });
    expect(guards([coder, judged(role, true, 3)], made)).toMatchObject({
      ...{ has_coder_artifact: true, resume_hint: "evaluation_complete" },
    });
    // What was refused was another one, or was made anew.
    const other = judged(role, false, 3, { artifact_ref: "ar.0" });
    expect(guards([coder, other], made)).toMatchObject({ has_coder_artifact: true });
    const again = built(["coder", artifact(2), artifact(4, "ar.2")]);
    expect(guards([coder, judged(role, false, 3)], again)).toMatchObject({ artifact_ref: "ar.2" });
    const later = [coder, judged(role, false, 3), judged(role, true, 4)];
    expect(guards(later, made)).toMatchObject({ has_coder_artifact: true });
  });

  it("is, in a task, what that task made, and not what another one did", () => {
    const earlier = task("coder", "coder.default");
    const now = task("coder2", "coder.default", { status: "running", created_at: at(5) });
    const tasks = [earlier, now];
    expect(guards(tasks, built(["coder", artifact(2)]), "coder2")).toMatchObject({
      ...{ has_coder_artifact: false, active_tasks_running: false, resume_hint: "fresh_start" },
    });
    const made = built(["coder", artifact(2)], ["coder2", artifact(6, "ar.2")]);
    expect(guards(tasks, made, "coder2")).toMatchObject({
      ...{ has_coder_artifact: true, artifact_ref: "ar.2" },
    });
  });
});

describe("the state of a tree", () => {
  it("has each task in the list where it stands, and none twice", () => {
    const tasks = [
      task("a", "coder.default"),
      task("b", "coder.default", { status: "failed", stop_reason: "model_error" }),
      task("c", "coder.default", { status: "awaiting_approval", approval_request_id: "apr_1" }),
      task("d", "coder.default", { status: "awaiting_input", interaction_id: "int_1" }),
      task("e", "coder.default", { status: "queued" }),
      task("f", "coder.default", { status: "waiting_children" }),
    ];
    const state = stateOf([root, ...tasks], new Map(), "root");
    const ids = (name: string) =>
      (state[name] as { task_id: string }[]).map(({ task_id }) => task_id);
    expect(ids("completed_tasks")).toEqual(["a"]);
    expect(ids("failed_tasks")).toEqual(["b"]);
    expect(ids("active_tasks")).toEqual(["e", "f"]);
    expect(state.pending_approvals).toMatchObject([{ task_id: "c", approval_request_id: "apr_1" }]);
    expect(state.pending_interactions).toMatchObject([{ task_id: "d", interaction_id: "int_1" }]);
    expect(state).toMatchObject({
      ...{ workflow_status: "blocked_approval", resume_hint: "approval_pending" },
    });
  });

  it("cuts a long reply between characters", () => {
    const reply = "🦊".repeat(1000);
    const { completed_tasks } = stateOf(
      [root, task("a", "coder.default", { reply })],
      new Map(),
      "root",
    );
    const [{ result_summary }] = completed_tasks as [{ result_summary: string }];
    expect(result_summary.isWellFormed()).toBe(true);
    expect(result_summary.length).toBeLessThanOrEqual(513);
  });
});
