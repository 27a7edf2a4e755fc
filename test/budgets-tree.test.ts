/** One budget for a planner and its tasks, over a real gateway: they draw from it together, and its end reaches all of them. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents, plannerPower } from "./support/workflow-agents.ts";

const spawn = (agent_id: string) => ({
  tool: "agent_spawn",
  arguments: { agent_id, message: "Do your part", async: true },
});
const usage = { input_tokens: 100, output_tokens: 10 };
const scripts = {
  planner: {
    turns: [
      { calls: [spawn("quick.default"), spawn("quick.default")], usage },
      { text: "a", usage },
    ],
  },
  waiter: { turns: [{ calls: [spawn("endless.default")] }, { text: "I wait." }] },
  quick: { turns: [{ text: "Quick.", usage }] },
  deploys: {
    turns: [
      {
        calls: [
          {
            tool: "sandbox_exec",
            arguments: { command: "true", credential_env: { KEY: "KEY" } },
          },
        ],
      },
    ],
  },
  asker: { turns: [{ calls: [{ tool: "user_ask", arguments: { question: "Go?" } }] }] },
  endless: { turns: [{ delayMs: 600_000, text: "Never." }] },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script: { scripts } });
  await installAgents(gateway, [
    ...["planner", "waiter"].map((name) => ({ id: `${name}.default`, capabilities: plannerPower })),
    ...["quick", "endless", "asker"].map((name) => ({ id: `${name}.default`, capabilities: [] })),
    { id: "deploys.default", capabilities: coderPower },
  ]);
});
afterAll(() => gateway.stop());

it("tasks draw from the budget of the run that started them, and the tree shows it", async () => {
  const budget = { turns: 10, tokens: 1_000_000 };
  const run = await clientOf(gateway).submitRun({
    agent: "planner.default",
    message: "go",
    budget,
  });
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  const tree = await run.tree();
  const used =
    tree.root.run.turns + tree.root.children.reduce((sum, one) => sum + one.run.turns, 0);
  expect(tree.root.children.map(({ run: { submission } }) => submission.budget)).toEqual([
    undefined,
    undefined,
  ]);
  expect(tree.budget).toMatchObject({
    tokens: { limit: 1_000_000, reserved: 0 },
    turns: { limit: 10, used },
    calls: { limit: null, used: 2 },
  });
});

it("a run that waits for its tasks ends when the time of the tree is over, and they with it", async () => {
  const budget = { wallClockSeconds: 4 };
  const run = await clientOf(gateway).submitRun({ agent: "waiter.default", message: "go", budget });
  const end = await run.wait();
  expect(end).toMatchObject({ status: "terminated", stop_reason: "budget" });
  expect(end.message).toMatch(/wallClockSeconds: 4 s/);
  const { root } = await run.tree();
  const [task] = root.children;
  const ended = await clientOf(gateway)
    .run(task?.run.id ?? "")
    .wait();
  expect(["budget", "parent_ended"]).toContain(ended.stop_reason);
});

it("the fork of a task has as much as the tree of that task was given, and no more", async () => {
  const budget = { turns: 10, tokens: 1_000_000 };
  const client = clientOf(gateway);
  const run = await client.submitRun({ agent: "planner.default", message: "fork it", budget });
  await run.wait();
  const [task] = (await run.tree()).root.children;
  const forked = await client.run(task?.run.id ?? "").fork();
  expect(await forked.wait()).toMatchObject({ status: "succeeded", submission: { budget } });
  expect((await forked.tree()).budget).toMatchObject({ turns: { limit: 10 } });
});

it("a run that waits for a person ends when the time of the tree is over, and its question with it", async () => {
  const budget = { wallClockSeconds: 3 };
  const client = clientOf(gateway);
  const run = await client.submitRun({ agent: "asker.default", message: "go", budget });
  const end = await run.wait();
  expect(end).toMatchObject({ status: "terminated", stop_reason: "budget" });
  const { interactions } = await client.interactions.list();
  expect(interactions).toMatchObject([{ runId: run.id, status: "cancelled" }]);
});

it("a run that waits for an approval ends when the time of the tree is over, and the approval with it", async () => {
  const budget = { wallClockSeconds: 3 };
  const client = clientOf(gateway);
  const secrets = { env: { KEY: "value-of-the-key" } };
  const asked = { agent: "deploys.default", message: "go", budget, secrets };
  const run = await client.submitRun(asked);
  const end = await run.wait();
  expect(end).toMatchObject({ status: "terminated", stop_reason: "budget" });
  const { approvals } = await client.approvals.list();
  expect(approvals).toMatchObject([{ runId: run.id, status: "expired" }]);
});
