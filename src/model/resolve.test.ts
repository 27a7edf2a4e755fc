import { describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { readConfig } from "../base/config.ts";
import { openLog } from "../base/log.ts";
import { type ModelEvent, openModels } from "./model.ts";

function open(env: Record<string, string> = {}) {
  return openModels({ config: readConfig(env), clock: systemClock, log: openLog("silent") });
}

describe("a model before it is asked", () => {
  it("is ready when the gateway has a key of its provider", async () => {
    const models = await open({ ANTHROPIC_API_KEY: "sk-ant-1234567890" });
    const ready = { type: "ready", provider: "anthropic", model: "claude-opus-4-5" };
    expect(models.resolve("anthropic/claude-opus-4-5", [])).toEqual(ready);
    expect(models.resolve("claude-opus-4-5", [])).toEqual(ready);
  });

  it.each(["GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"])(
    "of Google is ready with %s",
    async (variable) => {
      const models = await open({ [variable]: "AIza-1234567890" });
      expect(models.resolve("gemini-2.5-pro", [])).toMatchObject({ type: "ready" });
    },
  );

  it("names the provider and the variable when there is no key", async () => {
    const models = await open();
    expect(models.resolve("openai/gpt-5", [])).toMatchObject({
      type: "no_credential",
      provider: "openai",
      variable: "OPENAI_API_KEY",
      message: expect.stringMatching(/openai\/gpt-5.*secrets\.openai\.apiKey.*OPENAI_API_KEY/),
    });
    expect(models.resolve("compatible/llama", [])).toMatchObject({
      type: "no_credential",
      variable: "OPENAI_COMPATIBLE_BASE_URL",
    });
  });

  it("is ready without a key when the operator gave the provider's address", async () => {
    const models = await open({
      OPENAI_COMPATIBLE_BASE_URL: "http://127.0.0.1:11434/v1",
      MISTRAL_BASE_URL: "http://127.0.0.1:1",
    });
    expect(models.resolve("compatible/llama", [])).toMatchObject({ type: "ready" });
    expect(models.resolve("mistral/any", [])).toMatchObject({ type: "ready" });
  });

  it("goes to the one provider that the run brings a key for when its id names none", async () => {
    const models = await open();
    expect(models.resolve("meta-llama/llama-3", ["openrouter"])).toEqual({
      type: "ready",
      provider: "openrouter",
      model: "meta-llama/llama-3",
    });
    expect(models.resolve("opus", ["anthropic"])).toMatchObject({ provider: "anthropic" });
    expect(models.resolve("opus", ["anthropic", "openai"])).toMatchObject({
      type: "unknown",
      message: expect.stringContaining("anthropic, openai"),
    });
    expect(models.resolve("opus", [])).toMatchObject({
      type: "unknown",
      message: expect.stringContaining("anthropic, openai, google"),
    });
  });

  it("of another provider than the run brings a key for is refused, although the gateway has one", async () => {
    const models = await open({ OPENAI_API_KEY: "sk-1234567890" });
    expect(models.resolve("openai/gpt-5", ["anthropic"])).toMatchObject({
      type: "unknown",
      message: expect.stringMatching(/is of openai.*a key for anthropic/),
    });
    expect(models.resolve("openai/gpt-5", ["anthropic", "openai"])).toMatchObject({
      type: "ready",
    });
  });

  it("without a name after its provider is unknown", async () => {
    const models = await open({ OPENAI_API_KEY: "sk-1234567890" });
    expect(models.resolve("openai/", [])).toMatchObject({ type: "unknown" });
    expect(models.resolve("scripted/x", [])).toMatchObject({
      type: "unknown",
      message: expect.stringContaining("AIRLOCK_SCRIPTED_MODEL"),
    });
  });

  it("whose key has gone since the submission fails with the variable's name, asking nobody", async () => {
    const models = await open();
    const request = { system: "", messages: [], tools: [], turn: 0 };
    const events: ModelEvent[] = [];
    const reply = models.open({ model: "claude-opus-4-5" }, {});
    for await (const event of reply.reply(request, AbortSignal.timeout(5000))) events.push(event);
    expect(events).toMatchObject([
      {
        type: "failure",
        failure: {
          reason: "model_credential_missing",
          message: expect.stringContaining("ANTHROPIC_API_KEY"),
        },
      },
    ]);
  });
});
