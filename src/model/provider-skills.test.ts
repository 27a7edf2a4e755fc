import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { called, ran, said, text } from "../../test/support/anthropic-answer.ts";
import { answerEvents, openWire, type Wire } from "../../test/support/model-wire.ts";
import { systemClock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import { openLog } from "../base/log.ts";
import { type ModelEvent, type ModelRequest, openModels } from "./model.ts";

let wire: Wire;
beforeEach(async () => {
  wire = await openWire();
});
afterEach(() => wire.close());

const look = {
  name: "look",
  description: "Looks",
  inputSchema: { type: "object", properties: {}, additionalProperties: false },
};
const providerSkills = [
  { vendor: "anthropic", skillId: "pptx" },
  { vendor: "custom", skillId: "skill_01Abc", version: "7" },
];

async function ask(request: Partial<ModelRequest>, model = "anthropic/claude-sonnet-4-5") {
  const config = { apiKey: "gateway-key-0123456789", baseUrl: wire.url };
  const names = ["anthropic", "openai", "google", "mistral", "deepseek", "openrouter"] as const;
  const all = Object.fromEntries(names.map((name) => [name, config]));
  const compatible = { ...config, baseUrl: `${wire.url}/v1` };
  const models = await openModels({
    config: { models: { ...all, compatible } as Config["models"], scriptedModel: undefined },
    ...{ clock: systemClock, log: openLog("silent"), limits: { modelAttempts: 1 } },
  });
  const whole: ModelRequest = {
    ...{ system: "Be terse", messages: [{ role: "user", text: "Make slides" }] },
    ...{ tools: [look], turn: 0, providerSkills, ...request },
  };
  const events: ModelEvent[] = [];
  const signal = AbortSignal.timeout(20_000);
  for await (const event of models.open({ model }, {}).reply(whole, signal)) events.push(event);
  return events.at(-1);
}

const bodyOf = (at: number) => JSON.parse(wire.requests[at]?.body ?? "{}");

describe("skills of Anthropic", () => {
  it("go with the request, beside the tool and the headers that they need", async () => {
    wire.answer(answerEvents(said([text("Done")], "end_turn")));
    expect(await ask({})).toMatchObject({ type: "reply", reply: { finishReason: "stop" } });
    const body = bodyOf(0);
    expect(body.container).toEqual({
      skills: [
        { type: "anthropic", skill_id: "pptx" },
        { type: "custom", skill_id: "skill_01Abc", version: "7" },
      ],
    });
    expect(
      body.tools.map((tool: { name: string; type?: string }) => tool.type ?? tool.name),
    ).toEqual(["look", "code_execution_20250825"]);
    const betas = String(wire.requests[0]?.headers["anthropic-beta"]).split(",");
    expect(betas).toEqual(
      expect.arrayContaining(["skills-2025-10-02", "code-execution-2025-08-25"]),
    );
  });

  it("are not asked for without them, and of nobody else", async () => {
    wire.answer(answerEvents(said([text("Done")], "end_turn")));
    await ask({ providerSkills: [] });
    expect(bodyOf(0).container).toBeUndefined();
    expect(bodyOf(0).tools).toHaveLength(1);
    expect(String(wire.requests[0]?.headers["anthropic-beta"])).not.toContain("skills");
    await ask({}, "compatible/llama");
    expect(wire.requests[1]?.body).not.toMatch(/pptx|code_execution/);
  });

  it("run code that is no call of ours, and what the model calls of ours is one", async () => {
    wire.answer(
      answerEvents(said([text("I make them. "), ...ran, text("Look: "), called], "tool_use")),
    );
    const reply = await ask({});
    expect(reply).toMatchObject({
      reply: {
        calls: [{ tool: "look", toolCallId: "toolu_1" }],
        finishReason: "calls",
        parts: [{ text: "I make them. " }, { text: "Look: " }],
      },
    });
    if (reply?.type !== "reply") throw new Error("No reply");
    const [call] = reply.reply.calls;
    if (call === undefined) throw new Error("No call");
    // The next turn is asked with what was said: a call of the provider's own would need its result.
    wire.answer(answerEvents(said([text("Done")], "end_turn")));
    const messages: ModelRequest["messages"] = [
      { role: "user", text: "Make slides" },
      { role: "assistant", parts: [...reply.reply.parts, { ...call, type: "call" }] },
      { role: "tool", results: [{ toolCallId: "toolu_1", tool: "look", result: { ok: true } }] },
    ];
    expect(await ask({ messages, turn: 1 })).toMatchObject({ type: "reply" });
    const sent = JSON.stringify(bodyOf(1).messages);
    expect(sent).toContain("toolu_1");
    expect(sent).not.toContain("srvtoolu_1");
  });

  it("that take long are let go on, in the same place, until the answer is whole", async () => {
    wire.answer(
      answerEvents(said([text("Working. "), ...ran], "pause_turn")),
      answerEvents(said([text("Done.")], "end_turn")),
    );
    expect(await ask({ maxOutputTokens: 1000 })).toMatchObject({
      type: "reply",
      reply: {
        parts: [{ text: "Working. " }, { text: "Done." }],
        usage: { input_tokens: 20, output_tokens: 10 },
      },
    });
    expect(bodyOf(1)).toMatchObject({ container: { id: "container_1" }, max_tokens: 995 });
    const [, assistant] = bodyOf(1).messages;
    expect(assistant.role).toBe("assistant");
    expect(JSON.stringify(assistant)).toContain("srvtoolu_1");
  });

  it("that take long end with an error where only one request was reserved", async () => {
    wire.answer(answerEvents(said([text("Working. "), ...ran], "pause_turn")));
    expect(await ask({ isBounded: true })).toMatchObject({
      type: "failure",
      failure: { reason: "model_error", message: expect.stringContaining("paused") },
    });
    expect(wire.requests).toHaveLength(1);
  });
});
