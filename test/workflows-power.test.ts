/**
 * I13 in a tree: what a task may do is what its own agent has, within the grant of the tree, and nothing that the run has
 * that gave it. And I14: a tree sees nothing of another one.
 */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Capability } from "../src/contract/agent.ts";
import { isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { call, clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { processesWith, within } from "./support/processes.ts";
import { untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents, plannerPower } from "./support/workflow-agents.ts";

const spawn = (agent: string, more: Record<string, unknown> = {}) => ({
  tool: "agent_spawn",
  arguments: { agent_id: agent, message: "Do it", ...more },
});
const exec = (command: string, more: Record<string, unknown> = {}) => ({
  tool: "sandbox_exec",
  arguments: { command, ...more },
});
const state = { tool: "workflow_state", arguments: {} };
const wait = (path: string, timeout_secs: number) => ({
  tool: "workflow_wait",
  arguments: { task_ids: [{ $result: path }], timeout_secs },
});
const hashOf = (name: string) => exec(`printf %s "$${name}" | sha256sum | cut -c1-64`);

const marker = `airlock-power-${process.pid}`;

/** Asks a person, for a secret in its environment, between two calls that need nobody. */
const asking = [
  exec("echo before", { network: "none" }),
  {
    tool: "sandbox_exec",
    arguments: { ...hashOf("DEPLOY_KEY").arguments, credential_env: { DEPLOY_KEY: "DEPLOY_KEY" } },
  },
  exec("echo after", { network: "none" }),
];

const scripts = {
  coder: {
    turns: [
      { calls: [exec("echo made", { network: "none" })] },
      { calls: [{ tool: "content_write", arguments: { name: "made", content: "x" } }] },
      { text: "Done." },
    ],
  },
  asker: { turns: [{ calls: asking }, { text: "Deployed." }] },
  curious: {
    turns: [
      { calls: [{ tool: "user_ask", arguments: { question: "Which city?" } }] },
      { text: "Thanks." },
    ],
  },
  asksInput: {
    turns: [{ calls: [spawn("curious.default")] }, { text: "Later." }, { text: "Told." }],
  },
  endless: { turns: [{ delayMs: 600_000, text: "Never." }] },
  delegates: { turns: [{ calls: [exec("echo no"), spawn("coder.default")] }, { text: "Done." }] },
  asksSync: {
    turns: [
      { calls: [spawn("asker.default")] },
      { calls: [state] },
      { text: "Later." },
      { text: "Told." },
    ],
  },
  asksAsync: {
    turns: [
      { calls: [spawn("asker.default", { async: true })] },
      { calls: [wait("0.0.task_id", 300)] },
      { calls: [state] },
      { text: "Later." },
      { text: "Told." },
    ],
  },
  crowd: {
    turns: [
      {
        calls: Array.from({ length: 3 }, () =>
          spawn("endless.default", { async: true, join_policy: "manual" }),
        ),
      },
      {
        calls: [
          { tool: "workflow_cancel_task", arguments: { task_id: { $result: "0.0.task_id" } } },
        ],
      },
      { text: "Enough." },
    ],
  },
  narrow: {
    turns: [{ calls: [spawn("coder.default"), spawn("endless.default")] }, { text: "Done." }],
  },
  deep: { turns: [{ calls: [spawn("deep.default")] }, { text: "Deep." }] },
  family: {
    turns: [
      { calls: [spawn("parent.default", { async: true })] },
      { text: "Waits." },
      { text: "Over." },
    ],
  },
  sleeps: { turns: [{ calls: [exec(`bash -c 'sleep 600; : ${marker}'`, { network: "none" })] }] },
  syncSleeps: { turns: [{ calls: [spawn("sleeps.default")] }, { text: "Over." }] },
  parent: {
    turns: [
      { calls: [spawn("endless.default", { async: true })] },
      { text: "Waits." },
      { text: "Over." },
    ],
  },
};

let gateway: StartedGateway;
let director: Director;
const deployKey = randomBytes(24).toString("base64url");
beforeAll(async () => {
  director = await openDirector();
  gateway = await startGateway({ script: { scripts }, env: director.env });
  const deep: Capability[] = [{ type: "AgentSpawn", max_children: 1 }];
  await installAgents(gateway, [
    { id: "coder.default", capabilities: coderPower },
    { id: "asker.default", capabilities: coderPower, more: { credential_env: ["DEPLOY_KEY"] } },
    { id: "endless.default", capabilities: [] },
    { id: "sleeps.default", capabilities: coderPower },
    { id: "curious.default", capabilities: [] },
    { id: "deep.default", capabilities: deep },
    ...["delegates", "asksSync", "asksAsync", "asksInput", "family", "parent", "syncSleeps"].map(
      (script) => ({
        ...{ id: script === "parent" ? "parent.default" : `planner.${script}`, script },
        capabilities: plannerPower,
      }),
    ),
    {
      ...{ id: "planner.crowd", script: "crowd" },
      capabilities: [{ type: "AgentSpawn", max_children: 2 }],
    },
    {
      ...{ id: "planner.narrow", script: "narrow" },
      capabilities: [{ type: "AgentSpawn", max_children: 5, agents: ["coder.*"] }],
    },
  ]);
});
afterAll(async () => {
  await gateway.stop();
  await director.close();
});

const submit = (name: string, more: object = {}) =>
  clientOf(gateway).submitRun({ agent: `planner.${name}`, message: "go", ...more });

async function resultsOf({ id }: Pick<RunRef, "id">) {
  const events = await historyOf(gateway, id);
  expect(defectsOf(id, events)).toEqual([]);
  return events.flatMap((event) =>
    isEvent(event, "call.finished") ? [event.data.result as Record<string, unknown>] : [],
  );
}

async function childrenOf(run: RunRef) {
  return (await run.tree()).root.children.map((child) => child.run);
}

async function pendingOf(run: RunRef) {
  const { approvals } = await clientOf(gateway).approvals.list({ status: "pending" });
  return approvals.filter(({ rootRunId }) => rootRunId === run.id);
}

describe("the power of a task", () => {
  const coded = async (more: object, agent: object | string = "planner.delegates") => {
    const run = await clientOf(gateway).submitRun({
      agent: agent as string,
      message: "go",
      ...more,
    });
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    const [child] = await childrenOf(run);
    return { own: await resultsOf(run), task: child ? await resultsOf(child) : [] };
  };

  it("is its own agent's: a planner that may run nothing gives what has to be run to one that may", async () => {
    const { own, task } = await coded({});
    expect(own).toMatchObject([{ ok: false, error_type: "permission" }, { ok: true }]);
    expect(task).toMatchObject([{ ok: true, exit_code: 0 }, { ok: true }]);
  });

  it("is bounded by the grant of its submission, which its planner cannot widen", async () => {
    const { own, task } = await coded({ grant: plannerPower });
    expect(own[1]).toMatchObject({ ok: true });
    expect(task).toMatchObject([
      { ok: false, error_type: "permission" },
      { ok: false, error_type: "permission" },
    ]);
  });

  it("is at most that of an inline agent at its root, which was given nothing else", async () => {
    const inline = (capabilities: Capability[]) => ({ instructions: "Delegate.", capabilities });
    const model = { model: "scripted/delegates" };
    const poor = await coded(model, inline(plannerPower));
    expect(poor.task).toMatchObject([{ ok: false, error_type: "permission" }, { ok: false }]);
    const code: Capability = { type: "CodeExecution", patterns: ["echo "] };
    const rich = await coded(model, inline([...plannerPower, code]));
    expect(rich.task).toMatchObject([{ ok: true }, { ok: false, error_type: "permission" }]);
  });

  it("needs an agent that its planner may name", async () => {
    const run = await submit("narrow");
    await run.wait();
    expect(await resultsOf(run)).toMatchObject([
      { ok: true },
      { ok: false, error_type: "permission", message: expect.stringContaining("endless.default") },
    ]);
  });

  it("counts those that are at work at the same time against max_children", async () => {
    const run = await submit("crowd");
    await run.wait();
    expect(await resultsOf(run)).toMatchObject([
      { accepted: true },
      { accepted: true },
      { ok: false, error_type: "permission", message: expect.stringContaining("as child 3") },
      { ok: true, status: "cancelled" },
    ]);
    expect(await childrenOf(run)).toHaveLength(2);
  });

  it("ends at a depth that has a name", async () => {
    const run = await clientOf(gateway).submitRun({ agent: "deep.default", message: "go" });
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    let at = (await run.tree()).root;
    let depth = 0;
    for (; at.children[0] !== undefined; at = at.children[0]) depth += 1;
    expect(depth).toBe(8);
    expect(await resultsOf(at.run)).toMatchObject([
      { ok: false, error_type: "resource", error_kind: "tree_depth" },
    ]);
  }, 30_000);
});

describe("a task that asks a person", () => {
  const env = { DEPLOY_KEY: deployKey };

  it.each(["asksSync", "asksAsync"])(
    "is shown with the id of what it asks, and joined when it has its answer: %s",
    async (name) => {
      const run = await submit(name, { secrets: { env } });
      await untilEvent(run, "turn.replied", name === "asksSync" ? 3 : 4);
      await untilEvent(run, "wait.started", 2);
      const [request] = await pendingOf(run);
      const [child] = await childrenOf(run);
      expect(child).toMatchObject({
        ...{ status: "waiting", waiting: { on: "approval", approvalId: request?.id } },
      });
      const results = await resultsOf(run);
      const asks = { status: "awaiting_approval", approval_request_id: request?.id };
      if (name === "asksSync") expect(results[0]).toMatchObject({ ok: true, ...asks });
      else expect(results[1]).toMatchObject({ tasks: [asks], join_satisfied: false });
      expect(results.at(-1)).toMatchObject({
        workflow_status: "blocked_approval",
        pending_approvals: [{ task_id: child?.id, approval_request_id: request?.id }],
        reuse_guards: { pending_approvals: true },
        resume_hint: "approval_pending",
      });

      await clientOf(gateway).approvals.approve(request?.id ?? "");
      expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Told." });
      // The calls before the question were made once, those after it after the answer; the key came with the submission.
      const hash = createHash("sha256").update(deployKey).digest("hex");
      expect(child && (await resultsOf(child))).toMatchObject([
        { stdout: "before\n" },
        { stdout: `${hash}\n` },
        { stdout: "after\n" },
      ]);
      const started = (await historyOf(gateway, child?.id ?? "")).filter(
        ({ type }) => type === "call.started",
      );
      expect(started).toHaveLength(3);
    },
    30_000,
  );

  it("is shown with the id of its question, and joined when that is answered", async () => {
    const run = await submit("asksInput");
    await untilEvent(run, "wait.started", 2);
    const [asks] = await resultsOf(run);
    expect(asks).toMatchObject({ ok: true, status: "awaiting_input" });
    const path = `/api/interactions/${asks?.interaction_id}/answer`;
    expect((await call(gateway, "POST", path, { text: "Bergen" })).status).toBe(200);
    expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Told." });
    expect(await childrenOf(run)).toMatchObject([{ status: "succeeded", reply: "Thanks." }]);
  });

  it("is given no secret that its manifest does not declare", async () => {
    const run = await submit("delegates", { secrets: { env } });
    await run.wait();
    const [child] = await childrenOf(run);
    const [first] = child ? await historyOf(gateway, child.id) : [];
    expect(first && isEvent(first, "run.submitted") && first.data.secrets).toEqual([]);
  });
});

describe("a tree", () => {
  it.each([["cancel"], ["stop"]] as const)("ends as a whole: %s", async (how) => {
    const run = await submit("family");
    await untilEvent(run, "wait.started");
    const [parent] = await childrenOf(run);
    await untilEvent(clientOf(gateway).run(parent?.id ?? ""), "wait.started");
    if (how === "cancel") await run.cancel();
    else await clientOf(gateway).stopRun(run.id, { reason: "Enough" });
    const nodes = (await run.tree()).root;
    const all = [nodes.run, parent, nodes.children[0]?.children[0]?.run];
    const ended = await Promise.all(
      all.map((one) =>
        clientOf(gateway)
          .run(one?.id ?? "")
          .wait(),
      ),
    );
    expect(ended.map(({ stop_reason }) => stop_reason)).toEqual(
      how === "cancel"
        ? ["cancelled", "parent_ended", "parent_ended"]
        : ["emergency_stop", "emergency_stop", "emergency_stop"],
    );
    expect((await clientOf(gateway).verify()).defects).toEqual([]);
  });

  it("is stopped with the processes of tasks that are waited for (weakness 30a)", async () => {
    const run = await submit("syncSleeps");
    await untilEvent(run, "wait.started");
    const [child] = await childrenOf(run);
    await untilEvent(clientOf(gateway).run(child?.id ?? ""), "call.started");
    expect(await within(10_000, () => processesWith(marker).length > 0)).toBe(true);
    await clientOf(gateway).stopRun(run.id, { reason: "Enough" });
    expect(await within(1_000, () => processesWith(marker).length === 0)).toBe(true);
    for (const id of [run.id, child?.id ?? ""]) {
      expect(await clientOf(gateway).wait(id)).toMatchObject({ stop_reason: "emergency_stop" });
    }
  });

  it("sees nothing of another one", async () => {
    const other = await submit("delegates");
    await other.wait();
    const [foreign] = await childrenOf(other);
    const agent = { instructions: "Look.", capabilities: plannerPower };
    const nosy = await director.open(gateway, { agent });
    const waited = await nosy.call("workflow_wait", { task_ids: [foreign?.id], timeout_secs: 300 });
    expect(waited).toMatchObject({ any_not_found: true, tasks: [{ status: "not_found" }] });
    expect(await nosy.call("workflow_cancel_task", { task_id: foreign?.id })).toMatchObject({
      ...{ ok: false, error_type: "resource", status: "not_found" },
    });
    expect(await nosy.call("workflow_state", { workflow_id: other.id })).toMatchObject({
      ...{ ok: false, error_type: "resource" },
    });
    expect(await nosy.call("workflow_state", {})).toMatchObject({ completed_tasks: [] });
    await nosy.end();
    expect((await call(gateway, "GET", `/api/runs/${foreign?.id}`)).status).toBe(200);
  });
});
