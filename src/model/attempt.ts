import type { ModelFailure, ModelRequest, Reply } from "./model.ts";

/** Why one attempt gave no reply, and whether asking the same model again can help. */
export interface Fault extends ModelFailure {
  retry: boolean;
  /** How long the provider asked to wait, in milliseconds, when it said so. */
  retryAfterMs?: number;
  /** Certainly nothing was billed: the provider was not reached, or refused the request before it did anything. */
  unbilled?: true;
}

export type AttemptEvent =
  | { type: "text"; text: string }
  | { type: "reply"; reply: Omit<Reply, "model" | "attempt" | "costUsd"> }
  | { type: "fault"; fault: Fault };

/**
 * Asks one model once. Ends with exactly one `reply` or `fault`; when the signal aborts it ends without either. It
 * throws nothing that the model or the network can cause.
 */
export type Attempt = (request: ModelRequest, signal: AbortSignal) => AsyncIterable<AttemptEvent>;

/** A model that can be asked, with its full name `provider/model`. */
export interface Candidate {
  id: string;
  /** The highest limit of an answer that is really sent, in tokens. */
  outputTokens: number;
  ask: Attempt;
}

/** Time and number limits of asking; the values are in `base/limits.ts`, tests shorten them. */
export interface AskLimits {
  modelAttempts: number;
  modelFirstByteMs: number;
  modelIdleMs: number;
  modelAttemptMs: number;
  modelBackoffFirstMs: number;
  modelBackoffMaxMs: number;
}
