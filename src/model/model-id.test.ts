import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ModelId } from "../contract/submission.ts";
import { modelProviders, parseModelId } from "./model-id.ts";

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,60}$/);

describe("a model id", () => {
  it("with a provider in front means that provider, and all that follows is the model's name", () => {
    fc.assert(
      fc.property(fc.constantFrom(...modelProviders), id, fc.boolean(), (provider, model, loud) => {
        const prefix = loud ? provider.toUpperCase() : provider;
        expect(parseModelId(`${prefix}/${model}`)).toEqual({ type: "named", provider, model });
      }),
    );
  });

  it("that the contract lets in is always read, and nothing of it is lost", () => {
    fc.assert(
      fc.property(
        id.filter((text) => ModelId.safeParse(text).success),
        (text) => {
          const parsed = parseModelId(text);
          if (parsed.type === "empty") {
            expect(text.endsWith("/")).toBe(true);
          } else if (parsed.type === "nameless") {
            expect(parsed.model).toBe(text);
          } else {
            expect(text.endsWith(parsed.model)).toBe(true);
            // What was read can be written in full and is then read as the same.
            expect(parseModelId(`${parsed.provider}/${parsed.model}`)).toEqual(parsed);
          }
        },
      ),
    );
  });

  it.each([
    ["claude-opus-4-5", "anthropic"],
    ["gpt-5.1", "openai"],
    ["chatgpt-4o-latest", "openai"],
    ["o1", "openai"],
    ["o4-mini", "openai"],
    ["gemini-2.5-pro", "google"],
    ["codestral-latest", "mistral"],
    ["deepseek-chat", "deepseek"],
  ])("%s without a provider is of %s", (model, provider) => {
    expect(parseModelId(model)).toEqual({ type: "named", provider, model });
  });

  it.each([
    ["gemini/gemini-2.5-pro", "google", "gemini-2.5-pro"],
    ["claude/claude-opus-4-5", "anthropic", "claude-opus-4-5"],
    ["openrouter/anthropic/claude-opus-4.5", "openrouter", "anthropic/claude-opus-4.5"],
    ["compatible/meta-llama/Llama-3", "compatible", "meta-llama/Llama-3"],
  ])("%s is read as %s with %s", (text, provider, model) => {
    expect(parseModelId(text)).toEqual({ type: "named", provider, model });
  });

  it.each(["llama3", "opus", "o", "oxygen-1", "gpt", "meta-llama/llama-3", "constructor/x"])(
    "%s names no provider",
    (model) => {
      expect(parseModelId(model)).toEqual({ type: "nameless", model });
    },
  );
});
