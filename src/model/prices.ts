import { readFile } from "node:fs/promises";
import { z } from "zod";
import { ConfigError } from "../base/config.ts";
import type { EventUsage } from "../contract/event.ts";

/** USD for a million tokens. What a provider does not price apart, cached input, costs what input does. */
export interface Price {
  input: number;
  output: number;
  cacheRead?: number;
  cacheWrite?: number;
  /** The prices of a request with more than this many input tokens, where they differ. */
  above?: { inputTokens: number } & Omit<Price, "above">;
}

/**
 * The state of the table below: list prices as publicly known then, not fetched from the providers. Where a price matters,
 * and for every later change, the operator's file is the word that counts.
 */
export const pricesAsOf = "2026-03-01";

/**
 * By model, without the date that many names end with. A name that is not here has no price: a newer model of the same
 * family, whatever it costs, must not be billed as this one. Left out are names that stand for another model now and
 * then (`mistral-large-latest`), and OpenRouter, whose prices differ by the host that answers.
 */
const table: Record<string, Price> = {
  "anthropic/claude-opus-4-6": anthropic(5, 25),
  "anthropic/claude-opus-4-5": anthropic(5, 25),
  "anthropic/claude-opus-4-1": anthropic(15, 75),
  "anthropic/claude-opus-4": anthropic(15, 75),
  "anthropic/claude-sonnet-4-6": anthropic(3, 15),
  "anthropic/claude-sonnet-4-5": anthropic(3, 15),
  "anthropic/claude-sonnet-4": anthropic(3, 15),
  "anthropic/claude-haiku-4-5": anthropic(1, 5),
  "anthropic/claude-3-7-sonnet": anthropic(3, 15),
  "anthropic/claude-3-5-haiku": anthropic(0.8, 4),
  "openai/gpt-5.2": { input: 1.75, output: 14, cacheRead: 0.175 },
  "openai/gpt-5.1": { input: 1.25, output: 10, cacheRead: 0.125 },
  "openai/gpt-5": { input: 1.25, output: 10, cacheRead: 0.125 },
  "openai/gpt-5-mini": { input: 0.25, output: 2, cacheRead: 0.025 },
  "openai/gpt-5-nano": { input: 0.05, output: 0.4, cacheRead: 0.005 },
  "openai/gpt-4.1": { input: 2, output: 8, cacheRead: 0.5 },
  "openai/gpt-4.1-mini": { input: 0.4, output: 1.6, cacheRead: 0.1 },
  "openai/gpt-4.1-nano": { input: 0.1, output: 0.4, cacheRead: 0.025 },
  "openai/gpt-4o": { input: 2.5, output: 10, cacheRead: 1.25 },
  "openai/gpt-4o-mini": { input: 0.15, output: 0.6, cacheRead: 0.075 },
  "openai/o3": { input: 2, output: 8, cacheRead: 0.5 },
  "openai/o4-mini": { input: 1.1, output: 4.4, cacheRead: 0.275 },
  "google/gemini-3-pro-preview": {
    ...{ input: 2, output: 12, cacheRead: 0.2 },
    above: { inputTokens: 200_000, input: 4, output: 18, cacheRead: 0.4 },
  },
  "google/gemini-3-flash-preview": { input: 0.5, output: 3, cacheRead: 0.05 },
  "google/gemini-2.5-pro": {
    ...{ input: 1.25, output: 10, cacheRead: 0.125 },
    above: { inputTokens: 200_000, input: 2.5, output: 15, cacheRead: 0.25 },
  },
  "google/gemini-2.5-flash": { input: 0.3, output: 2.5, cacheRead: 0.03 },
  "google/gemini-2.5-flash-lite": { input: 0.1, output: 0.4, cacheRead: 0.01 },
  "mistral/mistral-large-2512": { input: 0.5, output: 1.5 },
  "mistral/mistral-large-2411": { input: 2, output: 6 },
  "mistral/mistral-medium-2508": { input: 0.4, output: 2 },
  "mistral/mistral-medium-2505": { input: 0.4, output: 2 },
  "mistral/codestral-2508": { input: 0.3, output: 0.9 },
  "deepseek/deepseek-chat": { input: 0.28, output: 0.42, cacheRead: 0.028 },
  "deepseek/deepseek-reasoner": { input: 0.28, output: 0.42, cacheRead: 0.028 },
};

/** Reading from the cache costs a tenth, writing to it (for five minutes, as we ask) a quarter more. */
function anthropic(input: number, output: number): Price {
  return { input, output, cacheRead: input / 10, cacheWrite: input * 1.25 };
}

/** What a reply cost, in USD; null when its model has no price. `modelId` is `provider/model`. */
export type CostOf = (modelId: string, usage: EventUsage) => number | null;

/** What a request can cost at most, in billionths of a dollar. */
export interface PriceBound {
  /** Of all that is sent. */
  input: number;
  /** Of each token that is answered. */
  perOutputToken: number;
}

export interface Prices {
  costOf: CostOf;
  /** The bound of a request with so many input tokens at most; null when the model has no price. */
  boundOf(modelId: string, inputTokens: number): PriceBound | null;
}

const positive = z.number().min(0);
const FilePrice = z.strictObject({
  ...{ input: positive, output: positive },
  ...{ cacheRead: positive.optional(), cacheWrite: positive.optional() },
});
const FilePrices = z.record(z.string(), FilePrice);

/**
 * Opens the price table, with the operator's file over it: `{"provider/model": {"input": 3, "output": 15}}` in USD for
 * a million tokens, where a name that ends with `*` stands for every one that begins so. Throws a `ConfigError`.
 */
export async function openPrices(path: string | undefined): Promise<Prices> {
  const own = path === undefined ? {} : await readPrices(path);
  const patterns = Object.keys(own)
    .filter((name) => name.endsWith("*"))
    .sort((a, b) => b.length - a.length);
  const priceOf = (id: string): Price | undefined => {
    if (Object.hasOwn(own, id)) return own[id] as Price;
    const pattern = patterns.find((name) => id.startsWith(name.slice(0, -1)));
    if (pattern !== undefined) return own[pattern] as Price;
    if (id.startsWith("scripted/")) return { input: 0, output: 0 };
    const undated = withoutDate(id);
    const name = Object.hasOwn(table, id) ? id : undated;
    return Object.hasOwn(table, name) ? table[name] : undefined;
  };
  return {
    costOf(modelId, usage) {
      const price = priceOf(modelId);
      return price === undefined ? null : costAt(price, usage);
    },
    boundOf(modelId, inputTokens) {
      const price = priceOf(modelId);
      return price === undefined ? null : boundAt(price, inputTokens);
    },
  };
}

/** `claude-sonnet-4-5-20250929` and `gpt-5-2025-08-07` are named after the day on which they appeared. */
function withoutDate(id: string): string {
  return id.replace(/-(\d{8}|\d{4}-\d{2}-\d{2})$/, "");
}

const tokensPriced = 1_000_000;

/** Rounded to a billionth of a dollar, so that sums are exact in whole billionths. */
function costAt(price: Price, usage: EventUsage): number {
  const { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = usage;
  const tier = price.above && input_tokens > price.above.inputTokens ? price.above : price;
  const fresh = Math.max(0, input_tokens - cache_read_tokens - cache_write_tokens);
  const usd =
    fresh * tier.input +
    cache_read_tokens * (tier.cacheRead ?? tier.input) +
    cache_write_tokens * (tier.cacheWrite ?? tier.input) +
    output_tokens * tier.output;
  return Math.round((usd / tokensPriced) * 1e9) / 1e9;
}

/** All of the input at the dearest rate that it may be billed at, in the dearest tier that it may reach. */
function boundAt(price: Price, inputTokens: number): PriceBound {
  const { above } = price;
  const tiers = above && inputTokens > above.inputTokens ? [price, above] : [price];
  const input = Math.max(
    ...tiers.flatMap((tier) => [tier.input, tier.cacheRead ?? 0, tier.cacheWrite ?? 0]),
  );
  const output = Math.max(...tiers.map((tier) => tier.output));
  return { input: Math.ceil(inputTokens * nanoUsd(input)), perOutputToken: nanoUsd(output) };
}

/** Of one token, from USD for a million of them; rounded up, but not for what is only the error of a float. */
function nanoUsd(usd: number): number {
  return Math.ceil((usd * 1e9) / tokensPriced - 1e-6);
}

async function readPrices(path: string): Promise<Record<string, z.infer<typeof FilePrice>>> {
  const refuse = (why: string) =>
    new ConfigError(`Cannot use the prices of AIRLOCK_PRICES=${path}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const parsed = FilePrices.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refuse(`${issue?.path.join(".") || "the whole"}: ${issue?.message}`);
  }
  const nameless = Object.keys(parsed.data).find((name) => !/^[^/\s]+\/\S+$/.test(name));
  if (nameless !== undefined) throw refuse(`${nameless}: expected the name as provider/model`);
  return parsed.data;
}
