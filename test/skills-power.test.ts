/**
 * Who has what a run was given, and what an approval says of it: the agent that was asked, a script as well as a model, and
 * none of the tasks that it gives.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { ran, said, text } from "./support/anthropic-answer.ts";
import { type BundleFiles, run, submitted, transient } from "./support/given-bundles.ts";
import { answerEvents, openWire } from "./support/model-wire.ts";
import { type NetworkSink, openSink } from "./support/network-sink.ts";
import { openPlayingModel, type PlayingModel } from "./support/playing-model.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { coderPower, installAgents, plannerPower, skillOf } from "./support/workflow-agents.ts";

const look = {
  tool: "sandbox_exec",
  arguments: { command: "ls /airlock/skills /airlock/files; echo looked" },
};
const scripts = {
  plans: {
    turns: [
      { calls: [{ tool: "agent_spawn", arguments: { agent_id: "looks.test", message: "Look" } }] },
      { text: "Planned." },
    ],
  },
  looks: { turns: [{ calls: [look] }, { text: "Looked." }] },
};

const listing =
  "ls /airlock/skills; ls -A /workspace/data; mkdir -p /tmp/made; echo x > /tmp/made/f";
const capturing = (path: string) => ({
  tool: "sandbox_exec",
  arguments: { command: listing, capture_paths: [{ path }] },
});
const builds = [
  capturing("/tmp/made"),
  capturing("/workspace/data/in"),
  capturing("/workspace/data"),
  { tool: "sandbox_exec", arguments: { command: "cat /tmp/made/f /workspace/data/words.sh" } },
];

let sink: NetworkSink;
let model: PlayingModel;
let gateway: StartedGateway;
beforeAll(async () => {
  sink = await openSink();
  const fetches = {
    tool: "sandbox_exec",
    arguments: { command: "python3 /airlock/skills/net/get.py" },
  };
  model = await openPlayingModel({ fetches: [[fetches], "Done."], builds: [builds, "Done."] });
  const env = { ...model.env, AIRLOCK_PRIVATE_HOSTS: "127.0.0.3" };
  gateway = await startGateway({ env, script: { scripts } });
  await installAgents(gateway, [
    { id: "plans.test", capabilities: plannerPower },
    { id: "looks.test", capabilities: coderPower },
  ]);
  const more = { execution_mode: "script", script_entry: "main.sh", llm_config: undefined };
  const files = [
    { path: "SKILL.md", content: skillOf({ id: "script.test", capabilities: coderPower, more }) },
    { path: "main.sh", content: "#!/bin/sh\nsh /airlock/skills/net/words.sh\n" },
  ];
  expect((await call(gateway, "POST", "/api/agents", { files })).status).toBe(201);
}, 180_000);
afterAll(async () => {
  await gateway.stop();
  await model.close();
  await sink.close();
});

const net = (more: BundleFiles = {}): BundleFiles => ({
  "SKILL.md": "# net",
  "get.py": `import urllib.request\nprint(urllib.request.urlopen("${sink.url}/got").read().decode(), end="")\n`,
  "words.sh": "echo from the skill\n",
  ...more,
});
const given = (bundle: BundleFiles) => ({ skills: [transient("s", "net", bundle)] });
const ended = (id: string) => clientOf(gateway).wait(id, { signal: AbortSignal.timeout(30_000) });

describe("what a run was given", () => {
  it("is there for the script of a script agent, to which nothing can be said", async () => {
    const asked = { agent: "script.test", message: "go" };
    const id = await run(gateway, { ...asked, ...given(net()) }, { "skill:s": net() });
    expect(await ended(id)).toMatchObject({ status: "succeeded", reply: "from the skill" });
    const agentsMd = [{ kind: "inline", name: "house", content: "Be polite" }];
    const { body } = await submitted(gateway, { ...asked, agentsMd });
    expect(body.error).toMatchObject({ code: "invalid_request" });
    expect(body.error?.message).toContain("agentsMd");
  });

  it("is not there for the tasks that the run gives", async () => {
    const asked = { agent: "plans.test", message: "go" };
    const id = await run(gateway, { ...asked, ...given(net()) }, { "skill:s": net() });
    expect(await ended(id)).toMatchObject({ status: "succeeded" });
    const task = (await clientOf(gateway).listRuns()).runs.find(
      ({ parentRunId }) => parentRunId === id,
    );
    const [looked] = await resultsOf(gateway, task?.id ?? "");
    expect(looked?.stdout).toBe("/airlock/files:\n\n/airlock/skills:\nlooked\n");
    expect(task?.submission.skills).toBeUndefined();
  });
});

describe("what is made in a run", () => {
  it("is made without what the run was given, which would be a part of it", async () => {
    const at = { ...transient("f", "data", net()), mountPath: "/workspace/data" };
    const id = await run(
      gateway,
      { model: "compatible/x", prompt: "play builds", ...given(net()), files: [at] },
      { "skill:s": net(), "file:f": net() },
    );
    expect(await ended(id)).toMatchObject({ status: "succeeded" });
    const [built, inside, over, after] = await resultsOf(gateway, id);
    expect(built).toMatchObject({ ok: true, stdout: "", captured_layers: [{ path: "/tmp/made" }] });
    for (const refused of [inside, over]) {
      expect(refused).toMatchObject({ ok: false, error_type: "validation" });
      expect(refused?.message).toContain("/workspace/data holds files that the run was given");
    }
    expect(after).toMatchObject({ ok: true, stdout: "x\necho from the skill\n" });
  });
});

describe("an approval", () => {
  const agent = {
    ...{ id: "fetcher", instructions: "Fetch." },
    capabilities: [{ type: "CodeExecution", patterns: ["*"] }],
  };
  /** Runs the skill's script, and answers what is asked; how often something was. */
  async function fetched(bundle: BundleFiles) {
    const asked = { model: "compatible/x", prompt: "play fetches", agent };
    const id = await run(gateway, { ...asked, ...given(bundle) }, { "skill:s": bundle });
    const { approvals } = clientOf(gateway);
    let findings: unknown[] = [];
    for await (const event of clientOf(gateway).run(id).stream()) {
      if (!isEvent(event, "approval.requested")) continue;
      findings = event.data.findings ?? [];
      await approvals.approve(event.data.request_id, { scope: "agent_revision" });
    }
    const events = await historyOf(gateway, id);
    expect((await resultsOf(gateway, id))[0]).toMatchObject({ ok: true, stdout: "reached\n" });
    return {
      asked: events.filter((event) => isEvent(event, "approval.requested")).length,
      findings,
    };
  }

  it("shows what a skill's script reaches, and is for the skill that was there and no other", async () => {
    const first = await fetched(net());
    expect(first.asked).toBe(1);
    expect(first.findings).toContainEqual(
      expect.objectContaining({ file: "/airlock/skills/net/get.py" }),
    );
    expect((await fetched(net())).asked).toBe(0);
    expect((await fetched(net({ "other.sh": "echo other\n" }))).asked).toBe(1);
  });
});

describe("a skill of the provider", () => {
  it("goes to the provider with the run's own key, and what it runs there is no call of the run", async () => {
    const wire = await openWire();
    const own = await startGateway({ env: { ANTHROPIC_BASE_URL: wire.url } });
    try {
      wire.answer(answerEvents(said([text("Slides. "), ...ran, text("Made.")], "end_turn")));
      const key = "sk-ant-of-this-run-0123456789";
      const id = await run(own, {
        ...{ model: "claude-sonnet-4-5", prompt: "Make slides" },
        skills: [{ kind: "provider", vendor: "anthropic", skillId: "pptx", version: "3" }],
        secrets: { anthropic: { apiKey: key } },
      });
      const end = await clientOf(own).wait(id, { signal: AbortSignal.timeout(30_000) });
      expect(end).toMatchObject({ status: "succeeded", reply: "Slides. Made.", calls: 0 });
      const [request] = wire.requests;
      expect(request?.headers["x-api-key"]).toBe(key);
      expect(JSON.parse(request?.body ?? "{}")).toMatchObject({
        container: { skills: [{ type: "anthropic", skill_id: "pptx", version: "3" }] },
      });
      const types = (await historyOf(own, id)).map(({ type }) => type);
      expect(types.filter((type) => type.startsWith("call."))).toEqual([]);
    } finally {
      await own.stop();
      await wire.close();
    }
  });
});
