/** Agents, and runs of agents, over gateways that die and are started with other keys and rules. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { folderOf } from "./support/agent-folder.ts";
import { clientOf } from "./support/airlock-api.ts";
import { removeTree } from "./support/remove-tree.ts";
import { resultsOf } from "./support/results-of.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";
import { installAgents, plannerPower } from "./support/workflow-agents.ts";

const script = { turns: [{ text: "Done" }] };

let dir: string;
let dataDir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-agents-"));
  dataDir = newDataDir();
});
afterAll(() => {
  removeTree(dir);
  removeTree(dataDir);
});

function mapOf(rules: object): Record<string, string> {
  const file = join(dir, "models.json");
  writeFileSync(file, JSON.stringify(rules));
  return { AIRLOCK_MODEL_MAP: file };
}

it("an agent that was installed is there after kill -9, and its run is the same run whatever keys there are", async () => {
  const env = mapOf({ "*": "scripted/x" });
  const first = await startGateway({ dataDir, script, env: { ...env, OPENAI_API_KEY: "sk-test" } });
  const client = clientOf(first);
  const files = [{ path: "skills/how.md", content: "Look first" }];
  const made = await client.agents.install(folderOf({ id: "kept.test" }, files));
  await first.kill9();

  const second = await startGateway({ dataDir, env: { ...env, OPENAI_API_KEY: "sk-test" } });
  const again = clientOf(second);
  const kept = await again.agents.get("kept.test");
  expect(kept).toEqual(made.agent);
  expect((await again.agents.export("kept.test")).files).toHaveLength(2);
  const ofAgent = { agent: "kept.test", message: "x", idempotencyKey: "of-agent" };
  const ofModel = {
    ...{ model: "openai/gpt-5", prompt: "x", idempotencyKey: "of-model" },
    limits: { wallClockSeconds: 1 },
  };
  const agentRun = await again.submitRun(ofAgent);
  expect(await agentRun.wait()).toMatchObject({ status: "succeeded", model: "scripted/x" });
  const modelRun = await again.submitRun(ofModel);
  await modelRun.cancel();
  await modelRun.wait();
  await second.stop();

  // No map and no keys: nothing of this can begin any more, but what began is still found by its key.
  const third = await startGateway({ dataDir });
  const bare = clientOf(third);
  expect((await bare.submitRun(ofAgent)).id).toBe(agentRun.id);
  expect((await bare.submitRun(ofModel)).id).toBe(modelRun.id);
  await expect(bare.submitRun({ ...ofAgent, idempotencyKey: "new" })).rejects.toMatchObject({
    code: "provider_unconfigured",
    details: { provider: "anthropic", variable: "ANTHROPIC_API_KEY" },
  });
  await expect(bare.submitRun({ ...ofModel, idempotencyKey: "new" })).rejects.toMatchObject({
    code: "model_credential_missing",
  });
  await expect(bare.submitRun({ ...ofAgent, message: "y" })).rejects.toMatchObject({
    code: "idempotency_conflict",
  });
  expect((await bare.verify()).defects).toEqual([]);
  await third.stop();
});

it("an agent that cannot be read any more stands in nobody's way (weakness 34)", async () => {
  const own = newDataDir();
  const spawn = (agent_id: string) => ({
    tool: "agent_spawn",
    arguments: { agent_id, message: "Do it" },
  });
  const turns = [
    {
      calls: [
        spawn("broken.test"),
        { tool: "agent_discover", arguments: { intent: "plays whole.test" } },
        spawn("whole.test"),
      ],
    },
    { text: "Done without" },
  ];
  const scripts = { planner: { turns }, whole: { turns: [{ text: "Whole" }] } };
  const first = await startGateway({ dataDir: own, script: { scripts } });
  await installAgents(first, [
    { id: "broken.test", capabilities: [] },
    { id: "planner.test", capabilities: plannerPower },
    { id: "whole.test", capabilities: [] },
  ]);
  await first.stop();
  const db = new DatabaseSync(join(own, "airlock.db"));
  db.exec("UPDATE agent_revisions SET manifest = '{}' WHERE agent_id = 'broken.test'");
  db.close();

  const second = await startGateway({ dataDir: own, script: { scripts } });
  const client = clientOf(second);
  const ids = (await client.agents.list()).map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining(["planner.test", "whole.test"]));
  expect(ids).not.toContain("broken.test");
  const asked = { agent: "broken.test", message: "x" };
  await expect(client.submitRun(asked)).rejects.toThrow(/The agent broken\.test .*cannot be read/);
  const run = await client.submitRun({ agent: "planner.test", message: "go" });
  expect(await run.wait()).toMatchObject({ status: "succeeded", reply: "Done without" });
  const [broken, found, whole] = await resultsOf(second, run.id);
  expect(broken).toMatchObject({ ok: false, error_type: "resource" });
  expect(broken?.message).toContain("The agent broken.test");
  expect(JSON.stringify(found)).toContain("whole.test");
  expect(whole).toMatchObject({ ok: true, assistant_reply: "Whole" });
  expect(second.log()).toContain("agent.unreadable");
  const defects = (await client.verify()).defects.map(({ message }) => message);
  expect(defects.join()).toContain("broken.test");
  await client.agents.delete("broken.test");
  expect((await client.verify()).defects).toEqual([]);
  await second.stop();
  removeTree(own);
});

it("a gateway whose map of models is wrong does not start, and says which rule", async () => {
  const env = mapOf({ "anthropic/*": "nobody/model" });
  await expect(startGateway({ env })).rejects.toThrow(/AIRLOCK_MODEL_MAP=.*anthropic\/\*/s);
  const lead = startGateway({ env: { AIRLOCK_LEAD_AGENT: "no/agent" } });
  await expect(lead).rejects.toThrow(/AIRLOCK_LEAD_AGENT="no\/agent"/);
});
