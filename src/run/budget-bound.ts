import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import type { ModelRequest, Reply } from "../model/model.ts";

/** Says how many tokens a request can be billed for at most, before it is sent. */
export interface InputBound {
  of(request: ModelRequest): number;
  /** What the model said that the request was, once it was answered. */
  replied(request: ModelRequest, reply: Reply): void;
}

/** What was asked last, and what that was billed for: later requests begin with it. */
interface Known {
  tokens: number;
  messages: number;
  fixed: string;
}

/**
 * A token stands for a byte at least, in every tokenizer that is in use, so the bytes of a request bound its tokens. What
 * a model has billed once it bills again: then only what was added since is counted in bytes. That holds for one model
 * only, and as long as tools and instructions stay.
 */
export function openInputBound(models: readonly string[]): InputBound {
  let known: Known | undefined;
  const [only] = models.length === 1 ? models : [];
  return {
    of(request) {
      const { messages, tools } = request;
      const around = limits.budgetRequestTokens + (tools.length > 0 ? limits.budgetToolsTokens : 0);
      const fixed = fixedOf(request);
      if (known?.fixed === fixed && known.messages < messages.length) {
        return known.tokens + bytesOf(messages.slice(known.messages)) + around;
      }
      return Buffer.byteLength(fixed) + bytesOf(messages) + around;
    },
    replied(request, { model, usage }) {
      known = undefined;
      if (model !== only || usage.input_tokens === 0) return;
      const { messages } = request;
      known = { tokens: usage.input_tokens, messages: messages.length, fixed: fixedOf(request) };
    },
  };
}

function fixedOf({ system, tools }: ModelRequest): string {
  return canonicalJson([system, tools]);
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
