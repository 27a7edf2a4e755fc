/**
 * What the runs of a tree share: content by its visibility, approvals of scope `run`; and that a tree waits for a person as
 * long as people take, through a kill and a week.
 */
import { randomBytes } from "node:crypto";
import { globSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents, plannerPower } from "./support/workflow-agents.ts";

const library = globSync("/usr/lib{,64}/{,*/}faketime/libfaketimeMT.so.1")[0] ?? "";
const dataDir = newDataDir();
const timeFile = `${dataDir}.time`;
const setClock = (to: string) => writeFileSync(timeFile, `${to}\n`);

const write = (name: string, content: string, visibility = "session") => ({
  tool: "content_write",
  arguments: { name, content, visibility },
});
const read = (name: string) => ({ tool: "content_read", arguments: { name_or_handle: name } });
const spawn = (agent: string, more = {}) => ({
  tool: "agent_spawn",
  arguments: { agent_id: `${agent}.default`, message: "Do it", ...more },
});
const writer = (text: string) => ({
  turns: [
    { calls: [write("shared", text), write("own", text, "private"), read("shared"), read("own")] },
    { text: "Written." },
  ],
});

const scripts = {
  first: writer("first"),
  second: writer("second"),
  readers: {
    turns: [
      { calls: [spawn("first"), spawn("second"), read("shared"), read("own")] },
      { text: "Done." },
    ],
  },
  runner: {
    turns: [
      { calls: [{ tool: "sandbox_exec", arguments: { command: "python3 /tmp/knocks.py" } }] },
      { text: "Asked." },
    ],
  },
  leaver: {
    turns: [
      {
        calls: [
          write("knocks.py", "import urllib.request as u\nu.urlopen('https://far.example.org/')\n"),
        ],
      },
      { text: "Written." },
    ],
  },
  knocks: { turns: [{ calls: [spawn("leaver"), spawn("runner")] }, { text: "Done." }] },
  asker: {
    turns: [
      {
        calls: [
          {
            tool: "sandbox_exec",
            arguments: { command: "echo deployed", credential_env: { DEPLOY_KEY: "DEPLOY_KEY" } },
          },
        ],
      },
      { text: "Deployed." },
    ],
  },
  twice: {
    turns: [
      { calls: [spawn("asker")] },
      { calls: [spawn("asker")] },
      { text: "Asked." },
      { text: "Done." },
    ],
  },
  once: { turns: [{ calls: [spawn("asker")] }, { text: "Asked." }, { text: "Done." }] },
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
    ...["first", "second", "leaver", "runner"].map((name) => ({
      id: `${name}.default`,
      capabilities: coderPower,
    })),
    { id: "asker.default", capabilities: coderPower, more: { credential_env: ["DEPLOY_KEY"] } },
    ...["readers", "twice", "once", "knocks"].map((script) => ({
      ...{ id: `planner.${script}`, script, capabilities: plannerPower },
    })),
  ]);
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(timeFile, { force: true });
});

const submit = (script: string) => {
  const env = { DEPLOY_KEY: randomBytes(24).toString("base64url") };
  const agent = `planner.${script}`;
  return clientOf(gateway).submitRun({ agent, message: "go", secrets: { env } });
};

async function resultsOf({ id }: Pick<RunRef, "id">) {
  return (await historyOf(gateway, id)).flatMap((event) =>
    isEvent(event, "call.finished") ? [event.data.result as Record<string, unknown>] : [],
  );
}

async function pendingOf(run: RunRef) {
  const { approvals } = await clientOf(gateway).approvals.list({ status: "pending" });
  return approvals.filter(({ rootRunId }) => rootRunId === run.id).map(({ id }) => id);
}

describe("the runs of a tree", () => {
  it("share content unless it is private: the last word counts, and one's own for oneself", async () => {
    const run = await submit("readers");
    await run.wait();
    const [, , shared, own] = await resultsOf(run);
    expect(shared).toMatchObject({ ok: true, content: "second" });
    expect(own).toMatchObject({ ok: false, error_type: "resource" });
    const children = (await run.tree()).root.children.map((child) => child.run);
    for (const [index, text] of ["first", "second"].entries()) {
      const child = children[index];
      expect(child && (await resultsOf(child)).slice(2)).toMatchObject([
        { ok: true, content: text },
        { ok: true, content: text },
      ]);
    }
  });

  it("are looked through with what others of the tree wrote, before any of it is in their own directories", async () => {
    const run = await submit("knocks");
    await untilEvent(run, "call.finished", 2);
    const [id = ""] = await pendingOf(run);
    const { request } = await clientOf(gateway).approvals.get(id);
    expect(request.hosts).toEqual(["far.example.org:443"]);
    await run.cancel();
    await run.wait();
  });

  it("share an approval that was given for the run", async () => {
    const run = await submit("twice");
    await untilEvent(run, "wait.resolved");
    await untilEvent(run, "wait.started", 2);
    const [first, ...others] = await pendingOf(run);
    expect(others.length).toBeLessThanOrEqual(1);
    await clientOf(gateway).approvals.approve(first ?? "", { scope: "run" });
    expect(await run.wait()).toMatchObject({ status: "succeeded" });
    const children = (await run.tree()).root.children.map((child) => child.run);
    expect(children.map(({ reply }) => reply)).toEqual(["Deployed.", "Deployed."]);
  });

  it("wait a week for an answer, through a kill, and go on with it", async () => {
    const run = await submit("once");
    await untilEvent(run, "wait.started", 2);
    const [id] = await pendingOf(run);
    await gateway.kill9();
    setClock("+7d");
    gateway = await start();
    await clientOf(gateway).approvals.approve(id ?? "");
    const again = clientOf(gateway).run(run.id);
    expect(await again.wait()).toMatchObject({ status: "succeeded", reply: "Done." });
    const [child, ...more] = (await again.tree()).root.children;
    expect(more).toEqual([]);
    expect(child?.run).toMatchObject({ status: "succeeded", reply: "Deployed." });
    expect((await clientOf(gateway).verify()).defects).toEqual([]);
  });
});
