import type { Provider } from "../src/contract/submission.ts";

/** What each provider's key buys here unless AIRLOCK_DEMO_MODEL says otherwise: able, and not the dearest. */
export const demoModels: Record<Provider, string> = {
  anthropic: "anthropic/claude-sonnet-5",
  openai: "openai/gpt-5.5",
  google: "google/gemini-flash-latest",
  mistral: "mistral/mistral-medium-latest",
  deepseek: "deepseek/deepseek-v4-flash",
  openrouter: "openrouter/anthropic/claude-sonnet-5",
};
