import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError } from "../base/config.ts";
import { openPrices } from "./prices.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-prices-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function fileWith(value: unknown): Promise<string> {
  const path = join(dir, "prices.json");
  await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}

const million = {
  input_tokens: 1_000_000,
  output_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
};

describe("the price of a reply", () => {
  it("counts every token once: fresh, read from the cache, written to it, and said", async () => {
    const { costOf } = await openPrices(undefined);
    const usage = {
      input_tokens: 1000,
      output_tokens: 100,
      cache_read_tokens: 600,
      cache_write_tokens: 300,
    };
    // 100 × 3 + 600 × 0.3 + 300 × 3.75 + 100 × 15, by the million
    expect(costOf("anthropic/claude-sonnet-4-5", usage)).toBe(0.003105);
    // OpenAI asks nothing extra for writing: 400 × 1.25 + 600 × 0.125 + 100 × 10
    expect(costOf("openai/gpt-5", usage)).toBe(0.001575);
  });

  it("is the one of a model that is named with its date", async () => {
    const { costOf } = await openPrices(undefined);
    expect(costOf("anthropic/claude-sonnet-4-5-20250929", million)).toBe(3);
    expect(costOf("openai/gpt-5-2025-08-07", million)).toBe(1.25);
  });

  it("is not known of a model that is not in the table, however alike its name is", async () => {
    const { costOf } = await openPrices(undefined);
    for (const id of [
      "openai/gpt-5-ultra",
      "openai/gpt-5.9",
      "anthropic/claude-sonnet-4-9",
      "mistral/mistral-large-latest",
      "openrouter/anthropic/claude-sonnet-4-5",
      "compatible/gpt-5",
      "openai/toString",
    ]) {
      expect(costOf(id, million)).toBeNull();
    }
  });

  it("is higher for a request that is longer than the provider's step", async () => {
    const { costOf } = await openPrices(undefined);
    const model = "google/gemini-2.5-pro";
    expect(costOf(model, { ...million, input_tokens: 200_000 })).toBe(0.25);
    expect(costOf(model, { ...million, input_tokens: 200_001 })).toBe(0.5000025);
  });

  it("of a script is nothing", async () => {
    expect((await openPrices(undefined)).costOf("scripted/demo", million)).toBe(0);
  });
});

describe("the operator's prices", () => {
  it("win over the table, the longest pattern over a shorter one, and the name over both", async () => {
    const { costOf } = await openPrices(
      await fileWith({
        "openai/gpt-5": { input: 1, output: 2 },
        "compatible/*": { input: 0.5, output: 0.5 },
        "compatible/llama-*": { input: 0.25, output: 0.5 },
        "compatible/llama-4": { input: 0, output: 0 },
      }),
    );
    expect(costOf("openai/gpt-5", { ...million, cache_read_tokens: 1_000_000 })).toBe(1);
    expect(costOf("compatible/other", million)).toBe(0.5);
    expect(costOf("compatible/llama-3", million)).toBe(0.25);
    expect(costOf("compatible/llama-4", million)).toBe(0);
    expect(costOf("openai/gpt-4o", million)).toBe(2.5);
  });

  it.each([
    ["that is no JSON", "{", /JSON/],
    ["with a name that is no model id", { llama: { input: 1, output: 1 } }, /llama: .*provider/],
    ["with a price below zero", { "a/b": { input: -1, output: 1 } }, /a\/b\.input: /],
    ["with a word that it does not know", { "a/b": { input: 1, output: 1, cached: 1 } }, /cached/],
    ["without a price", { "a/b": { input: 1 } }, /a\/b\.output: /],
  ])("from a file %s are refused, with its path and the place", async (_, value, message) => {
    const path = await fileWith(value);
    const opened = openPrices(path);
    await expect(opened).rejects.toThrow(ConfigError);
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toThrow(`AIRLOCK_PRICES=${path}`);
  });

  it("from a file that is not there are refused", async () => {
    await expect(openPrices(join(dir, "none"))).rejects.toThrow(/ENOENT/);
  });
});
