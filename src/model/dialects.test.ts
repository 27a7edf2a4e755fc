import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerEvents, openWire, type Wire } from "../../test/support/model-wire.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { type Message, type ModelRequest, openModels, type Reply } from "./model.ts";

let wire: Wire;
const printed: unknown[] = [];
const note = (warning: unknown) => void printed.push(warning);
beforeEach(async () => {
  wire = await openWire();
  process.on("warning", note);
});
afterEach(async () => {
  process.off("warning", note);
  await wire.close();
});

async function ask(model: string, request: Partial<ModelRequest>): Promise<Reply> {
  const config = { apiKey: "gateway-key-0123456789", baseUrl: wire.url };
  const models = await openModels({
    config: {
      models: {
        anthropic: config,
        openai: config,
        google: config,
        mistral: config,
        deepseek: config,
        openrouter: config,
        compatible: config,
      },
      scriptedModel: undefined,
    },
    clock: systemClock,
    log: openLog("silent"),
    limits: { modelAttempts: 1 },
  });
  const whole = { system: "Be terse", messages: [], tools: [], turn: 0, ...request };
  const signal = AbortSignal.timeout(20_000);
  for await (const event of models.open({ model }, {}).reply(whole, signal)) {
    if (event.type === "reply") return event.reply;
    if (event.type === "failure") throw new Error(event.failure.message);
  }
  throw new Error("The stream ended without a reply");
}

const body = (index = -1) => JSON.parse(wire.requests.at(index)?.body ?? "null");
const user: Message = { role: "user", text: "hello" };
const tool = { name: "look", description: "Looks", inputSchema: { type: "object" } };

/** The message that a reply becomes in the next turn, and the results of its calls. */
function turnOf(reply: Reply): Message[] {
  return [
    {
      role: "assistant",
      parts: [...reply.parts, ...reply.calls.map((call) => ({ type: "call" as const, ...call }))],
    },
    {
      role: "tool",
      results: reply.calls.map((call) => ({ ...call, result: { ok: true } })),
    },
  ];
}

function anthropicTurn(blocks: { start: unknown; deltas: unknown[] }[]): unknown[] {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 7,
    cache_read_input_tokens: 5,
    output_tokens: 1,
  };
  const message = { id: "msg_1", type: "message", role: "assistant", content: [], usage };
  return [
    { type: "message_start", message: { ...message, model: "claude", stop_reason: null } },
    ...blocks.flatMap(({ start, deltas }, index) => [
      { type: "content_block_start", index, content_block: start },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ]),
    {
      type: "message_delta",
      delta: { stop_reason: "tool_use", stop_sequence: null },
      usage: { output_tokens: 20 },
    },
    { type: "message_stop" },
  ];
}

describe("Anthropic", () => {
  const model = "anthropic/claude-not-known-yet-9";
  const thinking = anthropicTurn([
    {
      start: { type: "thinking", thinking: "", signature: "" },
      deltas: [
        { type: "thinking_delta", thinking: "Hm, " },
        { type: "thinking_delta", thinking: "look" },
        { type: "signature_delta", signature: "SIGNED+/=" },
      ],
    },
    { start: { type: "redacted_thinking", data: "HIDDEN" }, deltas: [] },
    { start: { type: "text", text: "" }, deltas: [{ type: "text_delta", text: "I look" }] },
    {
      start: { type: "tool_use", id: "toolu_1", name: "look", input: {} },
      deltas: [{ type: "input_json_delta", partial_json: '{"at": ' }],
    },
  ]);

  it("gets its thinking back as it came, with the signature", async () => {
    wire.answer(answerEvents(thinking), answerEvents(thinking));
    const reply = await ask(model, { messages: [user], tools: [tool] });
    expect(reply.parts.map(({ type, text }) => [type, text])).toEqual([
      ["reasoning", "Hm, look"],
      ["reasoning", ""],
      ["text", "I look"],
    ]);
    const kept = JSON.parse(JSON.stringify(turnOf(reply)));
    await ask(model, { messages: [user, ...kept], tools: [tool], turn: 1 });
    expect(body().messages[1].content.slice(0, 2)).toEqual([
      { type: "thinking", thinking: "Hm, look", signature: "SIGNED+/=" },
      { type: "redacted_thinking", data: "HIDDEN" },
    ]);
  });

  it("hands over arguments that are no JSON as the text they are, and takes them back as an object", async () => {
    wire.answer(answerEvents(thinking), answerEvents(thinking));
    const reply = await ask(model, { messages: [user], tools: [tool] });
    expect(reply.calls[0]).toMatchObject({ toolCallId: "toolu_1", arguments: '{"at": ' });
    await ask(model, { messages: [user, ...turnOf(reply)], tools: [tool], turn: 1 });
    const sent = body().messages[1].content.find(
      (part: { type: string }) => part.type === "tool_use",
    );
    expect(sent.input).toEqual({ invalid_arguments: '{"at": ' });
  });

  it("keeps the prompt: the system, the last message and the one that was last a turn ago", async () => {
    wire.answer(answerEvents(thinking), answerEvents(thinking));
    const reply = await ask(model, { messages: [user], tools: [tool] });
    expect(reply.usage).toEqual({
      input_tokens: 22,
      output_tokens: 20,
      cache_read_tokens: 5,
      cache_write_tokens: 7,
    });
    await ask(model, { messages: [user, ...turnOf(reply)], tools: [tool], turn: 1 });
    const { system, messages } = body();
    const mark = { cache_control: { type: "ephemeral" } };
    expect(system.at(-1)).toMatchObject(mark);
    expect(messages[0].content.at(-1)).toMatchObject(mark);
    expect(messages.at(-1).content.at(-1)).toMatchObject(mark);
    expect(wire.requests.at(-1)?.body.match(/cache_control/g)).toHaveLength(3);
  });

  it("leaves out what would be refused: blank text and a tool's impossible name", async () => {
    wire.answer(answerEvents(thinking));
    await ask(model, {
      messages: [
        user,
        {
          role: "assistant",
          parts: [
            { type: "text", text: " \n" },
            { type: "call", toolCallId: "a.b:1", tool: "do it!", arguments: {} },
          ],
        },
        { role: "tool", results: [{ toolCallId: "a.b:1", tool: "do it!", result: "done" }] },
      ],
    });
    const [, assistant, result] = body().messages;
    expect(assistant.content).toHaveLength(1);
    expect(assistant.content[0].name).toBe("do_it_");
    expect(assistant.content[0].id).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(result.content[0].tool_use_id).toBe(assistant.content[0].id);
  });
});

it("OpenAI is told to keep nothing", async () => {
  const response = { id: "resp_1", object: "response", created_at: 1, model: "gpt-5", output: [] };
  const part = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const item = { id: "msg_1", type: "message", role: "assistant", status: "completed" };
  const text = { type: "output_text", text: "Hi", annotations: [] };
  wire.answer(
    answerEvents([
      { type: "response.created", response: { ...response, status: "in_progress" } },
      { type: "response.output_item.added", output_index: 0, item: { ...item, content: [] } },
      { type: "response.output_text.delta", ...part, delta: "Hi" },
      { type: "response.output_item.done", output_index: 0, item: { ...item, content: [text] } },
      {
        type: "response.completed",
        response: {
          ...response,
          status: "completed",
          usage: {
            input_tokens: 50,
            input_tokens_details: { cached_tokens: 40 },
            output_tokens: 9,
            output_tokens_details: { reasoning_tokens: 0 },
          },
        },
      },
    ]),
  );
  const reply = await ask("gpt-5", { messages: [user], maxOutputTokens: 1_000_000 });
  expect(reply.model).toBe("openai/gpt-5");
  expect(reply.usage).toMatchObject({ input_tokens: 50, output_tokens: 9, cache_read_tokens: 40 });
  expect(wire.requests[0]?.path).toBe("/v1/responses");
  expect(body().store).toBe(false);
  expect(body().max_output_tokens).toBeUndefined();
});

it("Google gets the signature of a thought back with the call that came with it", async () => {
  const call = { functionCall: { name: "look", args: { at: "x" } }, thoughtSignature: "THOUGHT" };
  const events = [
    {
      candidates: [{ content: { role: "model", parts: [call] }, finishReason: "STOP" }],
      usageMetadata: { promptTokenCount: 8, candidatesTokenCount: 4, totalTokenCount: 12 },
    },
  ];
  wire.answer(answerEvents(events), answerEvents(events));
  const reply = await ask("gemini-2.5-flash", { messages: [user], tools: [tool] });
  expect(reply.finishReason).toBe("calls");
  const kept = JSON.parse(JSON.stringify(turnOf(reply)));
  await ask("gemini-2.5-flash", {
    messages: [user, ...kept],
    tools: [tool],
    maxOutputTokens: 50,
    temperature: 0.3,
  });
  expect(wire.requests[1]?.path).toContain("/v1beta/models/gemini-2.5-flash:");
  expect(body().contents[1].parts[0]).toMatchObject({ thoughtSignature: "THOUGHT" });
  expect(body().generationConfig).toMatchObject({ maxOutputTokens: 50, temperature: 0.3 });
});

describe("Mistral", () => {
  const chunk = (choice: unknown, usage?: unknown) => ({
    id: "c1",
    object: "chat.completion.chunk",
    created: 1,
    model: "mistral",
    choices: [choice],
    ...(usage ? { usage } : {}),
  });
  const stop = { index: 0, delta: { content: "" }, finish_reason: "stop" };
  const usage = { prompt_tokens: 21, completion_tokens: 4, total_tokens: 25 };

  it("says what a reply cost, and takes the calls of another provider with ids in its own form", async () => {
    const text = { index: 0, delta: { role: "assistant", content: "Hi" }, finish_reason: null };
    wire.answer(answerEvents([chunk(text), chunk(stop, usage), "[DONE]"]));
    const reply = await ask("mistral-large-latest", {
      messages: [
        user,
        {
          role: "assistant",
          parts: [
            {
              type: "reasoning",
              text: "of another provider",
              providerMetadata: { anthropic: { signature: "SIGNED" } },
            },
            { type: "call", toolCallId: "toolu_0123456789", tool: "look", arguments: {} },
          ],
        },
        { role: "tool", results: [{ toolCallId: "toolu_0123456789", tool: "look", result: 1 }] },
      ],
      tools: [tool],
    });
    expect(reply.usage).toMatchObject({ input_tokens: 21, output_tokens: 4 });
    const [, , assistant, result] = body().messages;
    expect(assistant.tool_calls[0].id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(result.tool_call_id).toBe(assistant.tool_calls[0].id);
    expect(wire.requests[0]?.body).not.toContain("of another provider");
  });
});

it("the packages print no warning", () => {
  expect(printed).toEqual([]);
});
