/**
 * Tasks that ask a person, and the join of those who gave them: each answer counts for the task that asked and no other, and
 * what comes when a task has ended, or was joined, changes nothing.
 *
 * Method: libfaketime stands between the gateway and the wall clock, and reads the time from a file.
 */
import { randomBytes } from "node:crypto";
import { globSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AirlockError, type Approval, isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { resultsOf, untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents, plannerPower } from "./support/workflow-agents.ts";

const library = globSync("/usr/lib{,64}/{,*/}faketime/libfaketimeMT.so.1")[0] ?? "";
const dataDir = newDataDir();
const timeFile = `${dataDir}.time`;
const setClock = (to: string) => writeFileSync(timeFile, `${to}\n`);

const gives = (agent: string) => ({
  tool: "agent_spawn",
  arguments: { agent_id: `${agent}.default`, message: "Do it", async: true },
});
const asker = (name: string) => ({
  turns: [
    {
      calls: [
        {
          tool: "sandbox_exec",
          arguments: { command: `echo ${name}`, credential_env: { DEPLOY_KEY: "DEPLOY_KEY" } },
        },
      ],
    },
    { text: `${name} is over.` },
  ],
});
const task = (tool: string, more = {}) => ({ calls: [{ tool, arguments: more }] });

const scripts = {
  one: asker("one"),
  two: asker("two"),
  pair: {
    turns: [{ calls: [gives("one"), gives("two")] }, { text: "Given." }, { text: "Told once." }],
  },
  single: { turns: [{ calls: [gives("one")] }, { text: "Given." }, { text: "Told once." }] },
  cancels: {
    turns: [
      { calls: [gives("one")] },
      task("workflow_wait", { task_ids: [{ $result: "0.0.task_id" }], timeout_secs: 300 }),
      task("workflow_cancel_task", { task_id: { $result: "0.0.task_id" } }),
      { text: "Cancelled." },
      { text: "Told once." },
    ],
  },
};

let gateway: StartedGateway;
const start = () =>
  startGateway({
    ...{ dataDir, script: { scripts } },
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: timeFile,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  });
beforeAll(async () => {
  setClock("+0");
  gateway = await start();
  await installAgents(gateway, [
    ...["one", "two"].map((name) => ({
      ...{ id: `${name}.default`, capabilities: coderPower },
      more: { credential_env: ["DEPLOY_KEY"] },
    })),
    ...["pair", "single", "cancels"].map((script) => ({
      ...{ id: `planner.${script}`, script, capabilities: plannerPower },
    })),
  ]);
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(timeFile, { force: true });
});

const client = () => clientOf(gateway);

function submit(script: string): Promise<RunRef> {
  const env = { DEPLOY_KEY: randomBytes(24).toString("base64url") };
  return client().submitRun({ agent: `planner.${script}`, message: "go", secrets: { env } });
}

const tasksOf = async ({ id }: { id: string }) =>
  (await client().tree(id)).root.children.map(({ run }) => run);

/** Waits until every task of a run asks, and gives what they ask, in the order of the tasks. */
async function asked(run: RunRef): Promise<Approval[]> {
  const requests = [];
  for (const { id } of await tasksOf(run)) {
    await untilEvent(client().run(id), "approval.requested");
    const { waiting } = await client().getRun(id);
    if (waiting?.on !== "approval") throw new Error(`It waits on ${JSON.stringify(waiting)}`);
    requests.push(await client().approvals.get(waiting.approvalId));
  }
  return requests;
}

const joinsOf = async ({ id }: { id: string }) =>
  (await historyOf(gateway, id)).flatMap((event) =>
    isEvent(event, "wait.resolved") ? [event.data] : [],
  );

/** An answer that comes too late is told so, and leaves every run of the tree as it is. */
async function expectTooLate(run: { id: string }, request: string, status: string) {
  const state = async () => {
    const all = [await client().getRun(run.id), ...(await tasksOf(run))];
    return all.map(({ id, status, lastSeq, reply }) => ({ id, status, lastSeq, reply }));
  };
  const before = await state();
  for (const answer of [client().approvals.approve(request), client().approvals.deny(request)]) {
    await expect(answer).rejects.toSatisfy(
      (error) => error instanceof AirlockError && error.code === "approval_answered",
    );
  }
  expect(await client().approvals.get(request)).toMatchObject({ status });
  expect(await state()).toEqual(before);
  for (const { id } of before) expect(defectsOf(id, await historyOf(gateway, id))).toEqual([]);
  expect((await client().verify()).defects).toEqual([]);
}

describe("tasks that ask a person", () => {
  it("are joined when each has its own answer, and who gave them is told once", async () => {
    const run = await submit("pair");
    await untilEvent(run, "wait.started");
    const [first, second] = await asked(run);
    expect(second?.id).not.toBe(first?.id);
    await client().approvals.approve(first?.id ?? "");
    const [one, two] = await tasksOf(run);
    expect(await client().wait(one?.id ?? "")).toMatchObject({ reply: "one is over." });
    expect(await client().getRun(two?.id ?? "")).toMatchObject({ status: "waiting" });
    expect(await run.get()).toMatchObject({ status: "waiting", waiting: { on: "children" } });
    expect(await joinsOf(run)).toEqual([]);

    await client().approvals.deny(second?.id ?? "", { reason: "Not today" });
    expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Told once." });
    expect(await joinsOf(run)).toMatchObject([
      { reason: "children", joined: [{ ended: [{ task_id: one?.id }, { task_id: two?.id }] }] },
    ]);
    expect(await resultsOf(gateway, one?.id ?? "")).toMatchObject([{ stdout: "one\n" }]);
    expect(await resultsOf(gateway, two?.id ?? "")).toMatchObject([
      { ok: false, approval_rejected: true, request_id: second?.id },
    ]);
  });

  it("and are cancelled take their question with them: a later answer changes nothing", async () => {
    const run = await submit("cancels");
    expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Told once." });
    const [one] = await tasksOf(run);
    expect(one).toMatchObject({ status: "cancelled" });
    const [, waited] = await resultsOf(gateway, run.id);
    const [shown] = (waited?.tasks ?? []) as { approval_request_id: string }[];
    await expectTooLate(run, shown?.approval_request_id ?? "", "cancelled");
  });

  it("and get no answer in time go on without it and are joined: a later one changes nothing", async () => {
    const run = await submit("single");
    await untilEvent(run, "wait.started");
    const [request] = await asked(run);
    await gateway.kill9();
    setClock("+60d");
    gateway = await start();
    expect(await client().wait(run.id)).toMatchObject({ status: "succeeded", reply: "Told once." });
    const [one] = await tasksOf(run);
    expect(one).toMatchObject({ status: "succeeded", reply: "one is over." });
    expect(await resultsOf(gateway, one?.id ?? "")).toMatchObject([
      { ok: false, approval_expired: true, request_id: request?.id },
    ]);
    expect(await joinsOf(run)).toMatchObject([{ joined: [{ ended: [{ task_id: one?.id }] }] }]);
    await expectTooLate(run, request?.id ?? "", "expired");
  });
});
