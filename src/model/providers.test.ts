import { LLMock } from "@copilotkit/aimock";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openWire, type Wire } from "../../test/support/model-wire.ts";
import { systemClock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import { openLog } from "../base/log.ts";
import {
  type Message,
  type ModelEvent,
  type ModelRequest,
  openModels,
  type Reply,
} from "./model.ts";

const log = openLog("silent");
const mock = new LLMock({ port: 0, chunkSize: 5 });
let wire: Wire;

beforeAll(async () => {
  await mock.start();
});
afterAll(async () => {
  await mock.stop();
});
beforeEach(async () => {
  mock.reset();
  wire = await openWire(mock.url);
});
afterEach(async () => {
  await wire.close();
});

function configFor(baseUrl: string): Config["models"] {
  const config = { apiKey: "gateway-key-0123456789", baseUrl };
  return {
    anthropic: config,
    openai: config,
    google: config,
    mistral: config,
    // Its own API has no version in its path, the mock has.
    deepseek: { ...config, baseUrl: `${baseUrl}/v1` },
    openrouter: config,
    compatible: { ...config, baseUrl: `${baseUrl}/v1` },
  };
}

async function ask(
  model: string,
  request: Partial<ModelRequest>,
  apiKeys: Record<string, string> = {},
): Promise<{ events: ModelEvent[]; reply: Reply }> {
  const models = await openModels({
    config: { models: configFor(wire.url), scriptedModel: undefined },
    clock: systemClock,
    log,
    limits: { modelAttempts: 1 },
  });
  const events: ModelEvent[] = [];
  const whole = { system: "You are terse", messages: [], tools: [], turn: 0, ...request };
  for await (const event of models
    .open({ model }, apiKeys)
    .reply(whole, AbortSignal.timeout(20_000))) {
    events.push(event);
  }
  const last = events.at(-1);
  if (last?.type !== "reply") throw new Error(`No reply: ${JSON.stringify(last)}`);
  return { events, reply: last.reply };
}

const weather = {
  name: "weather",
  description: "Says the weather of a city",
  inputSchema: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};

const providers = [
  { model: "anthropic/claude-sonnet-4-5", keyHeader: "x-api-key", prefix: "" },
  { model: "openai/gpt-5", keyHeader: "authorization", prefix: "Bearer " },
  { model: "google/gemini-2.5-flash", keyHeader: "x-goog-api-key", prefix: "" },
  { model: "mistral/mistral-large-latest", keyHeader: "authorization", prefix: "Bearer " },
  { model: "deepseek/deepseek-chat", keyHeader: "authorization", prefix: "Bearer " },
  {
    model: "openrouter/anthropic/claude-sonnet-4.5",
    keyHeader: "authorization",
    prefix: "Bearer ",
  },
  { model: "compatible/llama-3", keyHeader: "authorization", prefix: "Bearer " },
];

const usage = {
  input_tokens: 120,
  output_tokens: 34,
  prompt_tokens: 120,
  completion_tokens: 34,
  promptTokenCount: 120,
  candidatesTokenCount: 34,
};

describe.each(providers)("$model", ({ model, keyHeader, prefix }) => {
  // Mistral's package does not ask for usage in the way that the mock waits for; it has a test of its own.
  const usageSeen =
    model.split("/")[0] === "mistral" ? {} : { input_tokens: 120, output_tokens: 34 };
  const provider = model.split("/")[0] ?? "";
  const hello: Message[] = [{ role: "user", text: "hello there" }];

  it("streams text whose pieces join to the reply, and says who answered and what it cost", async () => {
    mock.onMessage("hello", { content: "Good morning to you, friend", usage });
    const { events, reply } = await ask(model, { messages: hello });
    const deltas = events.filter((event) => event.type === "delta");
    expect(deltas.length).toBeGreaterThan(1);
    let text = "";
    for (const delta of deltas) {
      expect(delta).toMatchObject({ attempt: 1, offset: text.length });
      text += delta.text;
    }
    expect(text).toBe("Good morning to you, friend");
    expect(reply).toMatchObject({ model, attempt: 1, finishReason: "stop", calls: [] });
    expect(reply.parts.map((part) => part.text).join("")).toBe(text);
    expect(reply.usage).toMatchObject(usageSeen);
  });

  it("spends the key of the run when it brings one, and the gateway's otherwise", async () => {
    mock.onMessage("hello", { content: "Hi" });
    await ask(model, { messages: hello });
    expect(wire.requests[0]?.headers[keyHeader]).toBe(`${prefix}gateway-key-0123456789`);
    if (provider === "compatible") return;
    await ask(model, { messages: hello }, { [provider]: "run-own-key-987654321" });
    expect(wire.requests[1]?.headers[keyHeader]).toBe(`${prefix}run-own-key-987654321`);
    expect(JSON.stringify(wire.requests[1])).not.toContain("gateway-key-0123456789");
  });

  it("sends the tools and the system prompt, and hands the calls back parsed", async () => {
    mock.onMessage("weather", {
      content: "Let me look",
      toolCalls: [
        { name: "weather", arguments: '{"city":"Bern"}' },
        { name: "weather", arguments: '{"city":"Ulm"}' },
      ],
    });
    const { reply } = await ask(model, {
      messages: [{ role: "user", text: "the weather please" }],
      tools: [weather],
    });
    expect(reply.finishReason).toBe("calls");
    expect(reply.calls.map(({ tool, arguments: args }) => [tool, args])).toEqual([
      ["weather", { city: "Bern" }],
      ["weather", { city: "Ulm" }],
    ]);
    expect(new Set(reply.calls.map((call) => call.toolCallId)).size).toBe(2);
    expect(wire.requests[0]?.body).toContain("Says the weather of a city");
    expect(wire.requests[0]?.body).toContain("You are terse");
  });

  it("takes a tool's result to the model in the next turn", async () => {
    mock.onMessage("weather", (request) =>
      request.messages.some((message) => message.role === "tool")
        ? { content: "It rains in Bern" }
        : { toolCalls: [{ name: "weather", arguments: '{"city":"Bern"}' }] },
    );
    const messages: Message[] = [{ role: "user", text: "the weather please" }];
    const first = await ask(model, { messages, tools: [weather] });
    messages.push(
      {
        role: "assistant",
        parts: [
          ...first.reply.parts,
          ...first.reply.calls.map((call) => ({ type: "call" as const, ...call })),
        ],
      },
      {
        role: "tool",
        results: first.reply.calls.map(({ toolCallId, tool }) => ({
          toolCallId,
          tool,
          result: { ok: true, sky: "rain-4711" },
        })),
      },
    );
    const second = await ask(model, { messages, tools: [weather], turn: 1 });
    expect(second.reply.parts.map((part) => part.text).join("")).toBe("It rains in Bern");
    expect(wire.requests[1]?.body).toContain("rain-4711");
    expect(wire.requests[1]?.body).toContain("Bern");
  });

  it("hands over arguments that break the schema, are no JSON, or are for a tool that is not there", async () => {
    mock.onMessage("weather", {
      toolCalls: [
        { name: "weather", arguments: '{"town":1}' },
        { name: "no_such_tool", arguments: '{"a":[1]}' },
      ],
    });
    const { reply } = await ask(model, {
      messages: [{ role: "user", text: "the weather please" }],
      tools: [weather],
    });
    expect(reply.calls.map(({ tool, arguments: args }) => [tool, args])).toEqual([
      ["weather", { town: 1 }],
      ["no_such_tool", { a: [1] }],
    ]);
  });
});
