import { describe, expect, it } from "vitest";
import { ConfigError } from "../base/config.ts";
import { providerBaseUrl } from "./base-url.ts";

describe("the address of a provider", () => {
  it.each([
    ["anthropic", "https://proxy.example", "https://proxy.example/v1"],
    ["anthropic", "https://proxy.example/v1/", "https://proxy.example/v1"],
    ["anthropic", "https://proxy.example/claude", "https://proxy.example/claude/v1"],
    ["openai", "https://proxy.example/", "https://proxy.example/v1"],
    ["openai", "https://proxy.example/v1", "https://proxy.example/v1"],
    ["openai", "https://proxy.example/openai", "https://proxy.example/openai"],
    ["google", "https://proxy.example", "https://proxy.example/v1beta"],
    ["openrouter", "https://proxy.example", "https://proxy.example/api/v1"],
    ["deepseek", "https://proxy.example", "https://proxy.example"],
    ["compatible", "http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"],
    ["compatible", "http://127.0.0.1:11434", "http://127.0.0.1:11434"],
  ] as const)("%s at %s is asked at %s", (provider, configured, wanted) => {
    expect(providerBaseUrl(provider, configured)).toBe(wanted);
  });

  it("is the public one when the operator gives none", () => {
    expect(providerBaseUrl("anthropic", undefined)).toBe("https://api.anthropic.com/v1");
    expect(providerBaseUrl("compatible", undefined)).toBeUndefined();
  });

  it.each(["proxy.example", "ftp://proxy.example", "https://proxy.example/?key=abcdefgh"])(
    "%s is refused with the variable's name",
    (configured) => {
      const give = () => providerBaseUrl("openai", configured);
      expect(give).toThrow(ConfigError);
      expect(give).toThrow("OPENAI_BASE_URL");
    },
  );

  it("never repeats a password that stands in it", () => {
    expect(() => providerBaseUrl("openai", "https://me:hunter2@proxy.example")).toThrow(
      /^(?!.*hunter2)/,
    );
  });
});
