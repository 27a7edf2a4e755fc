import { expect, it } from "vitest";
import { readConfig } from "../base/config.ts";
import { ProxyEndpointPolicy } from "../contract/proxy-endpoint.ts";
import { effectiveLimits } from "./next-step.ts";
import { systemPrompt } from "./system-prompt.ts";

const bare = { model: "m/x", prompt: ["p"] };
const limits = effectiveLimits(bare, readConfig({}).runLimits);
const promptOf = (more: object) =>
  systemPrompt({ ...bare, ...more }, { tools: ["sandbox_exec"], limits });

it("a model with endpoints is not told that there is no network, and one without is", () => {
  const endpoint = ProxyEndpointPolicy.parse({
    ...{ name: "api", baseUrl: "https://api.example.org", authShape: { type: "none" } },
    ...{ allowMethods: ["GET"], allowPathPrefixes: ["/v1/"] },
  });
  expect(promptOf({})).toContain("without any network");
  const told = promptOf({ proxyEndpoints: [endpoint] });
  expect(told).not.toContain("without any network");
  expect(told).toContain("packages cannot be downloaded");
  expect(told).toContain("http://api.proxy stands for https://api.example.org (GET; paths /v1/)");
});

it("an agent is told who it is, whom it can ask, and who hears its last word", () => {
  const agent = { id: "coder.default", instructions: "Write code.", capabilities: [] };
  const alone = systemPrompt({ ...bare, agent }, { tools: [], limits });
  expect(alone).toContain("You are the agent coder.default.");
  expect(alone).toContain("Nobody answers questions.");
  const task = systemPrompt({ ...bare, agent }, { tools: ["user_ask"], limits, isTask: true });
  expect(task).toContain("user_ask");
  expect(task).toContain("goes back to it");
});

it("an agent whose instructions spell tools with dots is told how they are spelt", () => {
  const told = (instructions: string) =>
    promptOf({ agent: { instructions, capabilities: [] } }).includes("it has an underscore");
  expect(told("Call sandbox.exec first.")).toBe(true);
  expect(told("Call sandbox_exec first.")).toBe(false);
});

it("secrets that commands may ask for are named", () => {
  const told = systemPrompt(bare, { tools: ["sandbox_exec"], limits, secrets: ["GITHUB_TOKEN"] });
  expect(told).toContain("GITHUB_TOKEN");
  expect(promptOf({})).not.toContain("credential_env");
});
