/** A script as somebody's task: it reads the message as it was written, and what is known of the delegation beside it. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { installAgents, plannerPower, skillOf } from "./support/workflow-agents.ts";

const main = `#!/usr/bin/env python3
import json
from autonoetic_sdk import load_invocation
invocation = load_invocation()
print(json.dumps([invocation.input, invocation.meta["why"]]))
`;

const message = '{"record_id": "abc"}';
const turns = (task: object) => [
  {
    calls: [{ tool: "agent_spawn", arguments: { agent_id: "told.script", ...task } }],
  },
  { text: "Done." },
];
const scripts = {
  message: { turns: turns({ message, metadata: { why: "a test" } }) },
  input: { turns: turns({ input: JSON.parse(message), metadata: { why: "a test" } }) },
};

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script: { scripts } });
  const SKILL = skillOf({
    ...{ id: "told.script", capabilities: [] },
    more: { execution_mode: "script", script_entry: "main.py", llm_config: undefined },
  });
  const files = [
    { path: "SKILL.md", content: SKILL },
    { path: "main.py", content: main },
  ];
  const { status } = await call(gateway, "POST", "/api/agents", { files });
  expect(status).toBe(201);
  await installAgents(
    gateway,
    Object.keys(scripts).map((script) => ({
      ...{ id: `planner.${script}`, script },
      capabilities: [...plannerPower, { type: "CodeExecution", patterns: ["*"] } as const],
    })),
  );
});
afterAll(() => gateway.stop());

it.each(Object.keys(scripts))("reads JSON that it is given as %s, with metadata", async (name) => {
  const run = await clientOf(gateway).submitRun({ agent: `planner.${name}`, message: "go" });
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  const [child] = (await run.tree()).root.children;
  expect(JSON.parse(child?.run.reply ?? "")).toEqual([{ record_id: "abc" }, "a test"]);
});
