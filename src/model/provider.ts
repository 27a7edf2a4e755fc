import type { LanguageModel } from "ai";
import { assert } from "../base/assert.ts";
import type { Provider } from "../contract/submission.ts";

/** Everything that a provider's package is told; it reads nothing from the environment by itself. */
export interface ProviderAccess {
  provider: Provider | "compatible";
  model: string;
  apiKey: string | undefined;
  baseUrl: string | undefined;
  fetch: typeof fetch;
}

/**
 * Opens a model with its provider's package. The packages are loaded at the first use, so that a gateway starts without
 * them. Without a key a placeholder is given, which `timedFetch` takes out again before it is sent.
 */
export async function loadLanguageModel(access: ProviderAccess): Promise<LanguageModel> {
  const { model, baseUrl: baseURL, fetch } = access;
  const apiKey = access.apiKey ?? "none";
  assert(baseURL !== undefined, `The address of ${access.provider} is known`);
  switch (access.provider) {
    case "anthropic":
      return (await import("@ai-sdk/anthropic")).createAnthropic({ apiKey, baseURL, fetch })(model);
    case "openai":
      return (await import("@ai-sdk/openai")).createOpenAI({ apiKey, baseURL, fetch })(model);
    case "google":
      return (await import("@ai-sdk/google")).createGoogle({ apiKey, baseURL, fetch })(model);
    case "mistral":
      return (await import("@ai-sdk/mistral")).createMistral({ apiKey, baseURL, fetch })(model);
    case "deepseek":
      return (await import("@ai-sdk/deepseek")).createDeepSeek({ apiKey, baseURL, fetch })(model);
    case "openrouter": {
      const { createOpenRouter } = await import("@openrouter/ai-sdk-provider");
      return createOpenRouter({ apiKey, baseURL, fetch, compatibility: "strict" })(model);
    }
    case "compatible": {
      const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
      const name = "compatible";
      return createOpenAICompatible({ name, apiKey, baseURL, fetch, includeUsage: true })(model);
    }
  }
}
