/**
 * P6: a run's model credential is at the model, sealed in the vault, and nowhere else. The model is a real HTTP server;
 * everything that the gateway wrote is searched in many spellings, with controls that must be found.
 */

import { rmSync } from "node:fs";
import { LLMock } from "@copilotkit/aimock";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { filesWithSecret, findSecret, newCanary } from "./support/canary.ts";
import { everyCommand } from "./support/every-command.ts";
import { answerJson, openWire, type Wire } from "./support/model-wire.ts";
import { readZip } from "./support/read-zip.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const mock = new LLMock({ port: 0 });
const ownKey = newCanary();
const dataDir = newDataDir();
let wire: Wire;
let gateway: StartedGateway;

beforeAll(async () => {
  await mock.start();
  wire = await openWire(mock.url);
  gateway = await startGateway({
    dataDir,
    env: {
      ANTHROPIC_API_KEY: ownKey,
      ANTHROPIC_BASE_URL: wire.url,
      AIRLOCK_LOG_LEVEL: "trace",
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  await wire.close();
  await mock.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const look =
  "env; cat /proc/self/environ /proc/1/environ /proc/1/cmdline; set; ls -la / /airlock /workspace; cat /airlock/* 2>/dev/null";

it("spends the run's own key at the model and writes it down nowhere", async () => {
  const runKey = newCanary();
  mock.onMessage("look around", (request) =>
    request.messages.some((message) => message.role === "tool")
      ? { content: "nothing to see" }
      : { toolCalls: [{ name: "sandbox_exec", arguments: JSON.stringify({ command: look }) }] },
  );
  const client = clientOf(gateway);
  const run = await client.submitRun({
    model: "claude-sonnet-4-5",
    prompt: "look around",
    agent: {
      instructions: "You look around",
      capabilities: [{ type: "CodeExecution", patterns: [...everyCommand, "cat "] }],
    },
    outputDirs: ["/workspace/out"],
    secrets: { anthropic: { apiKey: runKey } },
  });
  const ended = await run.wait();
  expect(ended).toMatchObject({ status: "succeeded", turns: 2, calls: 1 });

  // Controls: the key was really spent, the operator's own was not, and the search finds what is there.
  const spent = wire.requests.map(({ headers }) => headers["x-api-key"]);
  expect(spent.length).toBeGreaterThan(0);
  expect(new Set(spent)).toEqual(new Set([runKey]));
  expect(filesWithSecret(dataDir, run.id).length).toBeGreaterThan(0);

  const history = await historyOf(gateway, run.id);
  const zip = await readZip(await run.download());
  for (const secret of [runKey, ownKey]) {
    expect(filesWithSecret(dataDir, secret)).toEqual([]);
    expect(findSecret(Buffer.from(gateway.log() + gateway.stdout()), secret)).toEqual([]);
    expect(findSecret(Buffer.from(JSON.stringify([ended, history])), secret)).toEqual([]);
    for (const bytes of zip.values()) expect(findSecret(bytes, secret)).toEqual([]);
    for (const { body } of wire.requests) expect(findSecret(Buffer.from(body), secret)).toEqual([]);
  }
});

it("keeps a key out of the error when the model's answer says it aloud", async () => {
  const runKey = newCanary();
  wire.answer(
    answerJson(401, {
      type: "error",
      error: { type: "authentication_error", message: `invalid x-api-key: ${runKey}` },
    }),
  );
  const run = await clientOf(gateway).submitRun({
    model: "claude-sonnet-4-5",
    prompt: "hello",
    secrets: { anthropic: { apiKey: runKey } },
  });
  const ended = await run.wait();
  expect(ended).toMatchObject({ status: "failed", stop_reason: "model_error" });
  expect(ended.message).toMatch(/anthropic/i);
  const everything = JSON.stringify([ended, await historyOf(gateway, run.id)]) + gateway.log();
  expect(findSecret(Buffer.from(everything), runKey)).toEqual([]);
  expect(filesWithSecret(dataDir, runKey)).toEqual([]);
});

it("does not say a key back when the submission that holds it is wrong", async () => {
  const runKey = newCanary();
  const response = await fetch(`${gateway.url}/api/runs`, {
    method: "POST",
    headers: { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "claude-sonnet-4-5",
      prompt: "x",
      secrets: { anthropic: { apiKey: runKey, extra: runKey }, unknown: { apiKey: runKey } },
    }),
  });
  expect(response.status).toBe(400);
  const text = await response.text();
  expect(text).toContain("secrets");
  expect(findSecret(Buffer.from(text + gateway.log()), runKey)).toEqual([]);
});

it("names provider and variable when there is no credential at all", async () => {
  const response = await fetch(`${gateway.url}/api/runs`, {
    method: "POST",
    headers: { authorization: `Bearer ${gateway.token}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "openai/gpt-5", prompt: "x" }),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: {
      code: "model_credential_missing",
      details: { provider: "openai", variable: "OPENAI_API_KEY" },
    },
  });
});
