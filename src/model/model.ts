/**
 * The model: providers behind one interface. A reply streams out; nothing is ever thrown at the corridor.
 */
import type { EventUsage } from "../contract/event.ts";
import type { Provider } from "../contract/submission.ts";

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

export interface ModelRequest {
  system: string;
  messages: Message[];
  tools: ToolDescription[];
  /** Output tokens that this reply may use at most, when the run has a limit. */
  maxOutputTokens?: number;
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
  | { type: "reset"; attempt: number; reason: string }
  | { type: "reply"; reply: Reply }
  | { type: "failure"; failure: ModelFailure };

/** A model that one run may use, with the credential it is spent with. */
export interface Model {
  /** `provider/model` in full. */
  id: string;
  /** Streams one reply. Ends with exactly one `reply` or `failure`; when the signal aborts it just ends. */
  reply(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

/** What is known of a model before it is asked: which provider, and whether a credential is there. */
export type Resolved =
  | { type: "ready"; provider: Provider | "scripted" | "compatible"; model: string }
  | { type: "unknown"; message: string }
  | { type: "no_credential"; provider: string; variable: string; message: string };

export interface Models {
  /** Says at submission whether a model id can be used, with the given per-run providers' credentials or our own. */
  resolve(modelId: string, runProviders: readonly string[]): Resolved;
  /** Opens a model for a run. `apiKeys` are the run's own, by provider; they win over the gateway's. */
  open(
    ids: { model: string; fallbackModel?: string },
    apiKeys: Partial<Record<string, string>>,
  ): Model;
}

export { type ModelsOptions, openModels } from "./open-models.ts";
export { parseScript, type Script } from "./scripted.ts";
