import type { LanguageModel } from "ai";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import { limits as gatewayLimits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { type Provider, providers } from "../contract/submission.ts";
import type { AskLimits, Attempt, AttemptEvent, Candidate } from "./attempt.ts";
import { providerBaseUrl } from "./base-url.ts";
import type { ModelBounds, ModelFailure, Models, Resolved } from "./model.ts";
import { readModelMap } from "./model-map.ts";
import { openPrices, type PriceBound, type Prices } from "./prices.ts";
import { loadLanguageModel } from "./provider.ts";
import { outputTokensAnywhere, providerAttempt, sendableCeiling } from "./provider-attempt.ts";
import { keyVariable, resolveModel } from "./resolve.ts";
import { replyWithRetries } from "./retry.ts";
import {
  chooseScript,
  parseScript,
  readScriptFile,
  type Script,
  type ScriptBook,
  scriptedAttempt,
} from "./scripted.ts";
import { timedFetch } from "./timed-fetch.ts";

export interface ModelsOptions {
  config: Pick<Config, "models" | "scriptedModel"> &
    Partial<Pick<Config, "pricesFile" | "modelMapFile">>;
  clock: Clock;
  log: Log;
  /** A script for `scripted/…` that is given directly; it wins over the configured file. */
  script?: Script | { scripts: Record<string, Script> };
  /**
   * Gives a `fetch` for one run that reaches no private host which the operator has not listed: addresses that a run
   * brings are asked with it. Without one, a run's own address is refused.
   */
  guardedFetch?: () => typeof fetch;
  /** Shortened by tests; otherwise those of the gateway. */
  limits?: Partial<AskLimits>;
  random?: () => number;
}

interface Room {
  config: ModelsOptions["config"];
  clock: Clock;
  limits: AskLimits;
  book: ScriptBook | undefined;
  guardedFetch: (() => typeof fetch) | undefined;
}

/** The name of a run's own address of a provider, among its keys. */
const baseUrlKey = (provider: Provider) => `${provider}/base_url`;

/**
 * Opens the models that this gateway can ask. The script file, when one is configured, is read here and not again.
 * Throws a `ConfigError` when the script or a base URL cannot be used. No provider is contacted and nothing is held
 * open, so there is nothing to close.
 */
export async function openModels(options: ModelsOptions): Promise<Models> {
  const { config, clock, log, random = Math.random } = options;
  for (const provider of [...providers, "compatible"] as const) {
    providerBaseUrl(provider, config.models[provider].baseUrl);
  }
  const limits: AskLimits = { ...gatewayLimits, ...options.limits };
  const prices = await openPrices(config.pricesFile);
  const { guardedFetch } = options;
  const room: Room = { config, clock, limits, book: await openBook(options), guardedFetch };
  const resolve = (modelId: string, runProviders: readonly string[]) =>
    resolveModel(modelId, runProviders, config.models, room.book);
  const map = readModelMap(config.modelMapFile, (modelId) => resolve(modelId, []));
  return {
    resolve,
    mapped: map.of,
    open(ids, apiKeys) {
      const first = candidateFor(ids.model, apiKeys, room);
      const rest = ids.fallbackModel ? [candidateFor(ids.fallbackModel, apiKeys, room)] : [];
      const candidates: [Candidate, ...Candidate[]] = [first, ...rest];
      return {
        id: first.id,
        bounds: boundsOf(candidates, prices),
        reply: replyWithRetries({ candidates, costOf: prices.costOf, clock, log, limits, random }),
      };
    },
  };
}

/** The fallback may be dearer than the model, or say less: what holds for both holds for whichever answers. */
function boundsOf(candidates: readonly Candidate[], prices: Prices): ModelBounds {
  return {
    ids: candidates.map(({ id }) => id),
    outputTokens: Math.min(...candidates.map(({ outputTokens }) => outputTokens)),
    priceOf(inputTokens) {
      const dearest: PriceBound = { input: 0, perOutputToken: 0 };
      for (const { id } of candidates) {
        const bound = prices.boundOf(id, inputTokens);
        if (bound === null) return { unpriced: id };
        dearest.input = Math.max(dearest.input, bound.input);
        dearest.perOutputToken = Math.max(dearest.perOutputToken, bound.perOutputToken);
      }
      return dearest;
    },
  };
}

async function openBook(options: ModelsOptions): Promise<ScriptBook | undefined> {
  if (options.script) return parseScript(options.script, "given by the program");
  const path = options.config.scriptedModel;
  return path === undefined ? undefined : await readScriptFile(path);
}

function candidateFor(
  modelId: string,
  apiKeys: Partial<Record<string, string>>,
  room: Room,
): Candidate {
  // Among a run's secrets are others than the keys of providers.
  const brought = providers.filter((provider) => apiKeys[provider] !== undefined);
  const resolved = resolveModel(modelId, brought, room.config.models, room.book);
  // The submission was checked, but the gateway may have been started again with fewer keys or another script.
  if (resolved.type !== "ready") {
    return { id: modelId, outputTokens: outputTokensAnywhere, ask: faultInstead(resolved) };
  }
  const { provider, model } = resolved;
  const id = `${provider}/${model}`;
  if (provider === "scripted") {
    assert(room.book, "A script that was resolved is loaded");
    const chosen = chooseScript(room.book, model);
    assert(chosen.ok, "A script that was resolved can be chosen");
    const ask = scriptedAttempt(chosen.script, room.clock);
    return { id, outputTokens: outputTokensAnywhere, ask };
  }
  const ownUrl = provider === "compatible" ? undefined : apiKeys[baseUrlKey(provider)];
  const ask = askProvider(provider, model, { key: apiKeys[provider], url: ownUrl }, room);
  return { id, outputTokens: sendableCeiling(provider), ask };
}

function askProvider(
  provider: Exclude<Extract<Resolved, { type: "ready" }>["provider"], "scripted">,
  model: string,
  own: { key: string | undefined; url: string | undefined },
  room: Room,
): Attempt {
  const { config, clock, limits, guardedFetch } = room;
  // A line break around a key, from a file, would be an invalid header.
  const apiKey = (own.key ?? config.models[provider].apiKey)?.trim();
  const variable = keyVariable(provider);
  const keyName = own.key
    ? "the key of this run"
    : apiKey
      ? `the key of the gateway (${variable})`
      : `a request without a key (${variable} is not set)`;
  const baseUrl = providerBaseUrl(provider, own.url ?? config.models[provider].baseUrl);
  // The operator's own addresses may be anywhere; those of a run are a stranger's wish (H10).
  assert(own.url === undefined || guardedFetch, "A run's own address is asked by a guarded fetch");
  const reach = own.url === undefined || !guardedFetch ? fetch : guardedFetch();
  const timed = timedFetch({ clock, limits, hasKey: apiKey !== undefined, fetch: reach });
  let loaded: Promise<LanguageModel> | undefined;
  const load = () => {
    loaded ??= loadLanguageModel({ provider, model, apiKey, baseUrl, fetch: timed });
    return loaded;
  };
  const asked = { id: `${provider}/${model}`, provider, apiKey, keyName };
  return providerAttempt({ provider, load, asked, clock, limits });
}

function faultInstead(resolved: Exclude<Resolved, { type: "ready" }>): Attempt {
  const reason: ModelFailure["reason"] =
    resolved.type === "no_credential" ? "model_credential_missing" : "model_error";
  return async function* ask(): AsyncGenerator<AttemptEvent> {
    yield {
      type: "fault",
      fault: { reason, message: resolved.message, retry: false, unbilled: true },
    };
  };
}
