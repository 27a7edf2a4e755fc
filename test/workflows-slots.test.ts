/**
 * I12 in a tree: whoever waits for tasks holds no place, so that a tree of any depth ends in a gateway with one place; tasks
 * of one agent work side by side; and a tree with many tasks keeps no other tree waiting.
 */
import { afterEach, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents } from "./support/workflow-agents.ts";

const spawn = (agent_id: string, more = {}) => ({
  tool: "agent_spawn",
  arguments: { agent_id, message: "Do it", ...more },
});

const scripts = {
  deep: { turns: [{ calls: [spawn("deep.default")] }, { text: "Deep." }] },
  slow: { turns: [{ delayMs: 300, text: "Slow." }] },
  crowd: {
    turns: [
      { calls: Array.from({ length: 12 }, () => spawn("slow.default", { async: true })) },
      { text: "Given." },
      { text: "All done." },
    ],
  },
};

let gateway: StartedGateway;
afterEach(() => gateway.stop());

async function start(places: number): Promise<void> {
  const env = { AIRLOCK_MAX_RUNS: String(places) };
  gateway = await startGateway({ script: { scripts }, env });
  const spawns = [{ type: "AgentSpawn" as const, max_children: 20 }];
  await installAgents(gateway, [
    { id: "deep.default", capabilities: spawns },
    { id: "crowd.default", capabilities: spawns },
    { id: "slow.default", capabilities: coderPower },
  ]);
}

const submit = (agent: string) => clientOf(gateway).submitRun({ agent, message: "go" });

describe("runs that wait for their tasks", () => {
  it("hold no place: a tree nine runs deep ends in a gateway with one", async () => {
    await start(1);
    const run = await submit("deep.default");
    expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Deep." });
    expect((await run.tree()).runs).toBe(9);
  }, 30_000);

  it("have tasks of one agent that work side by side", async () => {
    await start(12);
    const run = await submit("crowd.default");
    expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "All done." });
    const tasks = (await run.tree()).root.children.map((child) => child.run);
    expect(tasks).toHaveLength(12);
    const times = tasks.map(({ startedAt, finishedAt }) => ({
      started: Date.parse(startedAt ?? ""),
      ended: Date.parse(finishedAt ?? ""),
    }));
    const together = times.map(
      ({ started, ended }) => times.filter((o) => o.started < ended && started < o.ended).length,
    );
    expect(Math.max(...together)).toBeGreaterThan(2);
    // One join for the whole group, and one note of it.
    const waits = (await historyOf(gateway, run.id)).filter((e) => isEvent(e, "wait.resolved"));
    expect(waits).toHaveLength(1);
  }, 30_000);

  it("keep no other tree waiting, however many tasks they have", async () => {
    await start(2);
    const crowd = await submit("crowd.default");
    for await (const event of crowd.stream()) if (isEvent(event, "wait.started")) break;
    const late = await (await submit("slow.default")).wait();
    const tasks = (await crowd.tree()).root.children.map(({ run }) => run.status);
    expect(late.status).toBe("succeeded");
    expect(tasks.filter((status) => status === "queued").length).toBeGreaterThan(2);
    expect(await crowd.wait()).toMatchObject({ reply: "All done." });
  }, 30_000);
});
