/** A run waits for any task of its tree: for what its tasks started, too, which nobody would wake it for but the gateway. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Capability } from "../src/contract/agent.ts";
import { clientOf } from "./support/airlock-api.ts";
import { type Director, openDirector } from "./support/directed-run.ts";
import { untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { installAgents, plannerPower } from "./support/workflow-agents.ts";

const spawn = (agent_id: string) => ({ agent_id, message: "Do it" });
const scripts = {
  between: {
    turns: [
      { calls: [{ tool: "agent_spawn", arguments: spawn("slow.default") }] },
      { delayMs: 600_000, text: "Never." },
    ],
  },
  slow: { turns: [{ delayMs: 2_000, text: "At last." }] },
};
const capabilities: Capability[] = [{ type: "AgentSpawn", max_children: 3 }];

let director: Director;
let gateway: StartedGateway;
beforeAll(async () => {
  director = await openDirector();
  gateway = await startGateway({ script: { scripts }, env: director.env });
  await installAgents(gateway, [
    { id: "between.default", capabilities: plannerPower },
    { id: "slow.default", capabilities: [] },
  ]);
});
afterAll(async () => {
  await gateway.stop();
  await director.close();
});

it("goes on as soon as the task of its task has ended, while its own task is still at work", async () => {
  const agent = { id: "root", instructions: "Wait.", capabilities };
  const { run, call } = await director.open(gateway, { agent });
  const { task_id } = await call("agent_spawn", { ...spawn("between.default"), async: true });
  const between = (await run.tree()).root.children.map((one) => one.run.id);
  expect(between).toEqual([task_id]);
  const found = async () => {
    const { root } = await run.tree();
    return root.children[0]?.children[0]?.run.id;
  };
  await untilEvent(clientOf(gateway).run(String(task_id)), "wait.started", 1);
  const waited = await call("workflow_wait", { task_ids: [await found()], timeout_secs: 20 });
  expect(waited).toMatchObject({ join_satisfied: true, tasks: [{ status: "succeeded" }] });
  expect(waited.waited_secs).toBeLessThan(15);
  await run.cancel();
  expect(await run.wait()).toMatchObject({ status: "cancelled" });
});
