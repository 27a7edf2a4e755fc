import type { LanguageModel } from "ai";
import { assert } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import { limits as gatewayLimits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import { providers } from "../contract/submission.ts";
import type { AskLimits, Attempt, AttemptEvent, Candidate } from "./attempt.ts";
import { providerBaseUrl } from "./base-url.ts";
import type { ModelFailure, Models, Resolved } from "./model.ts";
import { openPrices } from "./prices.ts";
import { loadLanguageModel } from "./provider.ts";
import { providerAttempt } from "./provider-attempt.ts";
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
  config: Pick<Config, "models" | "scriptedModel"> & Partial<Pick<Config, "pricesFile">>;
  clock: Clock;
  log: Log;
  /** A script for `scripted/…` that is given directly; it wins over the configured file. */
  script?: Script | { scripts: Record<string, Script> };
  /** Shortened by tests; otherwise those of the gateway. */
  limits?: Partial<AskLimits>;
  random?: () => number;
}

interface Room {
  config: ModelsOptions["config"];
  clock: Clock;
  limits: AskLimits;
  book: ScriptBook | undefined;
}

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
  const costOf = await openPrices(config.pricesFile);
  const room: Room = { config, clock, limits, book: await openBook(options) };
  return {
    resolve: (modelId, runProviders) =>
      resolveModel(modelId, runProviders, config.models, room.book),
    open(ids, apiKeys) {
      const first = candidateFor(ids.model, apiKeys, room);
      const rest = ids.fallbackModel ? [candidateFor(ids.fallbackModel, apiKeys, room)] : [];
      const candidates: [Candidate, ...Candidate[]] = [first, ...rest];
      return {
        id: first.id,
        reply: replyWithRetries({ candidates, costOf, clock, log, limits, random }),
      };
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
  const brought = Object.keys(apiKeys).filter((provider) => apiKeys[provider] !== undefined);
  const resolved = resolveModel(modelId, brought, room.config.models, room.book);
  // The submission was checked, but the gateway may have been started again with fewer keys or another script.
  if (resolved.type !== "ready") return { id: modelId, ask: faultInstead(resolved) };
  const { provider, model } = resolved;
  const id = `${provider}/${model}`;
  if (provider === "scripted") {
    assert(room.book, "A script that was resolved is loaded");
    const chosen = chooseScript(room.book, model);
    assert(chosen.ok, "A script that was resolved can be chosen");
    return { id, ask: scriptedAttempt(chosen.script, room.clock) };
  }
  return { id, ask: askProvider(provider, model, apiKeys[provider], room) };
}

function askProvider(
  provider: Exclude<Extract<Resolved, { type: "ready" }>["provider"], "scripted">,
  model: string,
  ownKey: string | undefined,
  room: Room,
): Attempt {
  const { config, clock, limits } = room;
  // A line break around a key, from a file, would be an invalid header.
  const apiKey = (ownKey ?? config.models[provider].apiKey)?.trim();
  const variable = keyVariable(provider);
  const keyName = ownKey
    ? "the key of this run"
    : apiKey
      ? `the key of the gateway (${variable})`
      : `a request without a key (${variable} is not set)`;
  const baseUrl = providerBaseUrl(provider, config.models[provider].baseUrl);
  const fetch = timedFetch({ clock, limits, hasKey: apiKey !== undefined });
  let loaded: Promise<LanguageModel> | undefined;
  const load = () => {
    loaded ??= loadLanguageModel({ provider, model, apiKey, baseUrl, fetch });
    return loaded;
  };
  const asked = { id: `${provider}/${model}`, provider, apiKey, keyName };
  return providerAttempt({ provider, load, asked, clock, limits });
}

function faultInstead(resolved: Exclude<Resolved, { type: "ready" }>): Attempt {
  const reason: ModelFailure["reason"] =
    resolved.type === "no_credential" ? "model_credential_missing" : "model_error";
  return async function* ask(): AsyncGenerator<AttemptEvent> {
    yield { type: "fault", fault: { reason, message: resolved.message, retry: false } };
  };
}
