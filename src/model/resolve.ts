import { type Config, providerVariables } from "../base/config.ts";
import type { Resolved } from "./model.ts";
import { type ModelProvider, modelProviders, parseModelId } from "./model-id.ts";
import { chooseScript, type ScriptBook } from "./scripted.ts";

/**
 * Says which provider and model an id means and whether it can be paid for. A run that brings keys decides by them: an
 * id that names no provider goes to the one provider it brought a key for, and an id that names another provider is
 * refused, because it would silently be spent on the gateway's own key.
 */
export function resolveModel(
  id: string,
  runProviders: readonly string[],
  models: Config["models"],
  book: ScriptBook | undefined,
): Resolved {
  const parsed = parseModelId(id);
  if (parsed.type === "empty") {
    return unknown(`Model ${quote(id)} names no model: expected ${parsed.provider}/<model>`);
  }
  if (parsed.type === "nameless") return resolveNameless(id, runProviders);
  const { provider, model } = parsed;
  if (provider === "scripted") return resolveScripted(id, model, book);
  if (provider === "compatible") return resolveCompatible(id, model, models);
  if (runProviders.includes(provider)) return { type: "ready", provider, model };
  if (runProviders.length > 0) {
    return unknown(
      `Model ${quote(id)} is of ${provider}, but this run brings a key for ${runProviders.join(", ")}: ` +
        `expected a model of ${runProviders.join(" or ")}, or secrets.${provider}`,
    );
  }
  const config = models[provider];
  if (config.apiKey !== undefined || config.baseUrl !== undefined) {
    return { type: "ready", provider, model };
  }
  const variable = providerVariables(provider).apiKey;
  return {
    type: "no_credential",
    provider,
    variable,
    message:
      `Model ${quote(id)} needs a key of ${provider}: ` +
      `expected secrets.${provider}.apiKey in the submission, or ${variable} set for the gateway`,
  };
}

/** `OPENAI_API_KEY` and the like: where the key of the gateway is read from, for messages. */
export function keyVariable(provider: ModelProvider): string {
  return providerVariables(provider).apiKey;
}

function resolveNameless(id: string, runProviders: readonly string[]): Resolved {
  const [only, ...others] = runProviders;
  const provider = modelProviders.find((name) => name === only);
  if (provider && others.length === 0) return { type: "ready", provider, model: id };
  const wanted = `expected provider/model with a provider of ${modelProviders.join(", ")}`;
  return unknown(
    runProviders.length > 1
      ? `Model ${quote(id)} fits none of ${runProviders.join(", ")} by its name: ${wanted}`
      : `Model ${quote(id)} is of no known provider: ${wanted}`,
  );
}

function resolveScripted(id: string, model: string, book: ScriptBook | undefined): Resolved {
  if (!book) {
    return unknown(
      `Model ${quote(id)} has no script: expected AIRLOCK_SCRIPTED_MODEL to name a script file`,
    );
  }
  const chosen = chooseScript(book, model);
  return chosen.ok
    ? { type: "ready", provider: "scripted", model }
    : unknown(`Model ${quote(id)} has no script: ${chosen.message}`);
}

function resolveCompatible(id: string, model: string, models: Config["models"]): Resolved {
  if (models.compatible.baseUrl !== undefined) {
    return { type: "ready", provider: "compatible", model };
  }
  const variable = providerVariables("compatible").baseUrl;
  return {
    type: "no_credential",
    provider: "compatible",
    variable,
    message: `Model ${quote(id)} needs a server: expected ${variable} set for the gateway`,
  };
}

function unknown(message: string): Resolved {
  return { type: "unknown", message };
}

function quote(id: string): string {
  return JSON.stringify(id.length > 200 ? `${id.slice(0, 200)}…` : id);
}
