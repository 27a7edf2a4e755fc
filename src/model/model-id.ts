import { type Provider, providers } from "../contract/submission.ts";

/** Where a model can be: the providers that a run can bring a key for, an own server, or a script. */
export type ModelProvider = Provider | "compatible" | "scripted";

export const modelProviders: readonly ModelProvider[] = [...providers, "compatible", "scripted"];

/**
 * What a model id says by itself. `named` says which provider it is for and the model's name there; `nameless` is an id
 * from which no provider follows, so that something else must say it.
 */
export type ParsedModelId =
  | { type: "named"; provider: ModelProvider; model: string }
  | { type: "nameless"; model: string }
  | { type: "empty"; provider: ModelProvider };

const aliases: Record<string, ModelProvider> = { claude: "anthropic", gemini: "google" };

/** Model families whose bare name belongs to one provider only. */
const families: readonly (readonly [RegExp, Provider])[] = [
  [/^claude-/, "anthropic"],
  [/^(gpt-|chatgpt-|codex-|o\d+($|-))/, "openai"],
  [/^gemini-/, "google"],
  [/^(mistral|ministral|magistral|codestral|devstral|pixtral)-/, "mistral"],
  [/^deepseek-/, "deepseek"],
];

/**
 * Reads `provider/model`, or a bare family name such as `claude-…`. Only the first slash separates: OpenRouter's own
 * names hold slashes. A vendor that is not a provider here (`meta-llama/…`) leaves the id nameless.
 */
export function parseModelId(id: string): ParsedModelId {
  const slash = id.indexOf("/");
  if (slash === -1) {
    const family = families.find(([pattern]) => pattern.test(id.toLowerCase()));
    return family
      ? { type: "named", provider: family[1], model: id }
      : { type: "nameless", model: id };
  }
  const provider = providerNamed(id.slice(0, slash));
  if (!provider) return { type: "nameless", model: id };
  const model = id.slice(slash + 1);
  return model === "" ? { type: "empty", provider } : { type: "named", provider, model };
}

function providerNamed(prefix: string): ModelProvider | undefined {
  const name = prefix.toLowerCase();
  return (
    modelProviders.find((provider) => provider === name) ??
    (Object.hasOwn(aliases, name) ? aliases[name] : undefined)
  );
}
