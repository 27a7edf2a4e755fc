import { ConfigError, providerVariables } from "../base/config.ts";
import type { Provider } from "../contract/submission.ts";

const defaults: Record<Provider, string> = {
  anthropic: "https://api.anthropic.com/v1",
  openai: "https://api.openai.com/v1",
  google: "https://generativelanguage.googleapis.com/v1beta",
  mistral: "https://api.mistral.ai/v1",
  deepseek: "https://api.deepseek.com",
  openrouter: "https://openrouter.ai/api/v1",
};

/**
 * The address that a provider's package is given; left to itself, the package would read the environment.
 *
 * An address without a path gets the path of the provider's public API (`/v1` and the like). ANTHROPIC_BASE_URL is by
 * convention written without `/v1`, so that one gets it after any path that does not end in a version. Throws a
 * `ConfigError` that names the variable when it is no http address.
 */
export function providerBaseUrl(
  provider: Provider | "compatible",
  configured: string | undefined,
): string | undefined {
  if (configured === undefined) return provider === "compatible" ? undefined : defaults[provider];
  const url = parse(provider, configured);
  const path = url.pathname.replace(/\/+$/, "");
  if (provider === "compatible") return `${url.origin}${path}`;
  const versioned = /\/v\d+[a-z]*\d*$/.test(path);
  if (provider === "anthropic") return `${url.origin}${path}${versioned ? "" : "/v1"}`;
  return `${url.origin}${path || new URL(defaults[provider]).pathname.replace(/\/$/, "")}`;
}

function parse(provider: string, configured: string): URL {
  const variable = providerVariables(provider).baseUrl;
  const url = URL.canParse(configured) ? new URL(configured) : undefined;
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new ConfigError(
      `Cannot use ${variable}=${JSON.stringify(configured)}: expected an http or https address`,
    );
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new ConfigError(
      `Cannot use ${variable}: expected an address without user name, password, query or fragment`,
    );
  }
  return url;
}
