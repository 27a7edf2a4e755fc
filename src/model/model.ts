/**
 * The model: providers behind one interface. A reply streams out; nothing is ever thrown at the corridor.
 */
import type { EventUsage } from "../contract/event.ts";
import type { Provider } from "../contract/submission.ts";
import type { PriceBound } from "./prices.ts";

/** One message of a transcript, in our own words; each provider's dialect is made in `provider.ts`. */
export type Message =
  | { role: "user"; text: string }
  | {
      role: "assistant";
      parts: (
        | { type: "text"; text: string; providerMetadata?: unknown }
        | { type: "reasoning"; text: string; providerMetadata?: unknown }
        | {
            type: "call";
            toolCallId: string;
            tool: string;
            arguments: unknown;
            providerMetadata?: unknown;
          }
      )[];
    }
  | { role: "tool"; results: { toolCallId: string; tool: string; result: unknown }[] };

export interface ToolDescription {
  name: string;
  description: string;
  /** JSON Schema of the arguments. */
  inputSchema: Record<string, unknown>;
}

/** A skill that lies at the provider, and is used there: `custom` is one of the account whose key is spent. */
export interface ProviderSkill {
  vendor: string;
  skillId: string;
  version?: string | undefined;
}

export interface ModelRequest {
  system: string;
  messages: Message[];
  tools: ToolDescription[];
  /** Only for a provider that has skills; any other is not told. */
  providerSkills?: readonly ProviderSkill[];
  /** Output tokens that this reply may use at most, when the run has a limit. */
  maxOutputTokens?: number;
  /** Only what one request may take was reserved: a provider that pauses is not asked again for the same answer. */
  isBounded?: boolean;
  /** As the agent's manifest says it; a model that takes none is not told. */
  temperature?: number;
  /** How many turns were replied before this one; a scripted model plays the turn of this number. */
  turn: number;
}

export type ReplyPart =
  | { type: "text"; text: string; providerMetadata?: unknown }
  | { type: "reasoning"; text: string; providerMetadata?: unknown };

export interface Reply {
  parts: ReplyPart[];
  /** `arguments` is what the model sent, parsed; a string that is not JSON stays a string. */
  calls: { toolCallId: string; tool: string; arguments: unknown; providerMetadata?: unknown }[];
  finishReason: "stop" | "calls" | "length" | "refused" | "other";
  usage: EventUsage;
  /** What it cost when it came, by the price table; null when the model has no price. */
  costUsd: number | null;
  /** The model that answered, as `provider/model`. */
  model: string;
  attempt: number;
}

/** Why there is no reply. Retries and the fallback are already used up when this arrives. */
export interface ModelFailure {
  reason: "model_error" | "model_refused" | "context_full" | "model_credential_missing";
  /** A sentence for a person; never holds a credential. */
  message: string;
}

export type ModelEvent =
  | { type: "delta"; attempt: number; offset: number; text: string }
  /** The next attempt begins once the next event is asked for. */
  | { type: "reset"; attempt: number; reason: string; billed: Billed }
  | { type: "reply"; reply: Reply }
  | { type: "failure"; failure: ModelFailure; billed: Billed };

/**
 * What is known of the bill of an attempt that gave no reply to go on with. `counted`: its usage is added to that of the
 * reply that follows.
 */
export type Billed = "no" | "maybe" | "counted";

/** A model that one run may use, with the credential it is spent with. */
export interface Model {
  /** `provider/model` in full. */
  id: string;
  /** Undefined: it costs nothing, because no provider is asked. */
  bounds?: ModelBounds;
  /** Streams one reply. Ends with exactly one `reply` or `failure`; when the signal aborts it just ends. */
  reply(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** What an attempt can cost at most, whichever of the models it asks. */
export interface ModelBounds {
  /** Every model that may be asked, as `provider/model`. */
  ids: readonly string[];
  /** Tokens of the answer: a limit that is not higher than this one is really sent. */
  outputTokens: number;
  /** The dearest of the models; `unpriced` names one without a price. */
  priceOf(inputTokens: number): PriceBound | { unpriced: string };
}

/** What is known of a model before it is asked: which provider, and whether a credential is there. */
export type Resolved =
  | { type: "ready"; provider: Provider | "scripted" | "compatible"; model: string }
  | { type: "unknown"; message: string }
  | { type: "no_credential"; provider: string; variable: string; message: string };

export interface Models {
  /** Says at submission whether a model id can be used, with the given per-run providers' credentials or our own. */
  resolve(modelId: string, runProviders: readonly string[]): Resolved;
  /** The model that the operator gives an agent in place of the one that its manifest asks for, and the rule. */
  mapped(asked: string): { model: string; rule: string } | undefined;
  /** Opens a model for a run. `apiKeys` are the run's own, by provider; they win over the gateway's. */
  open(
    ids: { model: string; fallbackModel?: string },
    apiKeys: Partial<Record<string, string>>,
  ): Model;
}

export { type ModelsOptions, openModels } from "./open-models.ts";
export { parseScript, type Script } from "./scripted.ts";
