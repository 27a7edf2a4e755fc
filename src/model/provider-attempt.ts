import type { FinishReason, LanguageModel, LanguageModelUsage, TextStreamPart, ToolSet } from "ai";
import type { Clock } from "../base/clock.ts";
import type { AskLimits, Attempt, AttemptEvent } from "./attempt.ts";
import { toInstructions, toModelMessages } from "./conversation.ts";
import { type Asked, faultOf } from "./failure.ts";
import type { ModelRequest, Reply, ReplyPart } from "./model.ts";
import type { ModelProvider } from "./model-id.ts";
import { ProviderTimeout } from "./timed-fetch.ts";

/** What a stream of parts has become so far. */
interface Gathered {
  parts: ReplyPart[];
  open: Map<string, ReplyPart>;
  calls: Reply["calls"];
}

/** How the provider's stream ended, or how it broke. */
type Ending =
  | { type: "finished"; reason: FinishReason; raw: string | undefined; usage: LanguageModelUsage }
  | { type: "broken"; error: unknown };

/**
 * Asks a provider once, through its package. The package is given no tool to run and does not retry: both are decided
 * here. Everything that goes wrong becomes a `fault`; the attempt as a whole has a time limit too.
 */
export function providerAttempt(options: {
  provider: ModelProvider;
  load: () => Promise<LanguageModel>;
  asked: Asked;
  clock: Clock;
  limits: Pick<AskLimits, "modelAttemptMs">;
}): Attempt {
  const { provider, load, asked, clock, limits } = options;
  return async function* ask(request, signal): AsyncGenerator<AttemptEvent> {
    const cut = new AbortController();
    const settled = new AbortController();
    const timer = clock.sleep(limits.modelAttemptMs, settled.signal).then(
      () => cut.abort(new ProviderTimeout("did not finish its answer", limits.modelAttemptMs)),
      () => undefined,
    );
    const gathered: Gathered = { parts: [], open: new Map(), calls: [] };
    let ending: Ending | undefined;
    try {
      const stream = await openStream(await load(), provider, request, {
        signal: AbortSignal.any([signal, cut.signal]),
      });
      for await (const part of stream) {
        const text = gather(gathered, part);
        if (text) yield { type: "text", text };
        ending = endingOf(part) ?? ending;
        if (ending?.type === "broken") break;
      }
    } catch (error) {
      ending = { type: "broken", error };
    } finally {
      settled.abort();
      await timer;
      // Read before the cut below: a time-out is the cause, whatever the package made of it.
      if (cut.signal.aborted) ending = { type: "broken", error: cut.signal.reason };
      cut.abort();
    }
    if (signal.aborted) return;
    yield conclude(ending, gathered, asked, clock);
  };
}

async function openStream(
  model: LanguageModel,
  provider: ModelProvider,
  request: ModelRequest,
  { signal }: { signal: AbortSignal },
): Promise<AsyncIterable<TextStreamPart<ToolSet>>> {
  const { jsonSchema, streamText, tool } = await import("ai");
  // The package would print its warnings to stderr, between the lines of the log.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const tools: ToolSet = Object.fromEntries(
    request.tools.map(({ name, description, inputSchema }) => [
      name,
      tool({ description, inputSchema: jsonSchema(inputSchema) }),
    ]),
  );
  const instructions = toInstructions(request.system);
  const maxOutputTokens = sendableOutputTokens(provider, request.maxOutputTokens);
  return streamText({
    model,
    ...(instructions ? { instructions } : {}),
    messages: toModelMessages(request.messages, provider),
    ...(request.tools.length > 0 ? { tools } : {}),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    // Nothing is left at the provider: what a later turn needs comes with the reply and is sent again.
    providerOptions: provider === "openai" ? { openai: { store: false } } : {},
    maxRetries: 0,
    telemetry: { isEnabled: false },
    abortSignal: signal,
    // Errors are parts of the stream; without this the package would print them as well.
    onError: () => undefined,
  }).stream;
}

/** What every model takes as a limit of one reply; Anthropic's package knows its models and lowers a limit by itself. */
const outputTokensAnywhere = 8192;
const outputTokensAnthropic = 128_000;

/**
 * The token limit to send. Most providers refuse the request when the limit exceeds what the model can write, and that
 * differs by model; so a higher limit is not sent and the model's own applies. OpenAI refuses less than 16.
 */
function sendableOutputTokens(provider: ModelProvider, wanted: number | undefined) {
  const ceiling = provider === "anthropic" ? outputTokensAnthropic : outputTokensAnywhere;
  if (wanted === undefined || wanted > ceiling) return undefined;
  return Math.max(wanted, provider === "openai" ? 16 : 1);
}

/** Adds one part of the stream to the reply; returns the text to show at once. */
function gather(gathered: Gathered, part: TextStreamPart<ToolSet>): string | undefined {
  switch (part.type) {
    case "text-start":
    case "reasoning-start": {
      const type = part.type === "text-start" ? "text" : "reasoning";
      const begun: ReplyPart = { type, text: "", ...metadataOf(part) };
      gathered.parts.push(begun);
      gathered.open.set(`${type} ${part.id}`, begun);
      return undefined;
    }
    case "text-delta":
    case "reasoning-delta":
    case "text-end":
    case "reasoning-end": {
      const type = part.type.startsWith("text") ? "text" : "reasoning";
      const begun = gathered.open.get(`${type} ${part.id}`);
      if (!begun) return undefined;
      Object.assign(begun, metadataOf(part));
      if (!("text" in part)) return undefined;
      begun.text += part.text;
      return type === "text" ? part.text : undefined;
    }
    case "tool-call":
      if (part.providerExecuted) return undefined;
      gathered.calls.push({
        toolCallId: part.toolCallId,
        tool: part.toolName,
        arguments: part.input === "" ? {} : part.input,
        ...metadataOf(part),
      });
      return undefined;
    default:
      return undefined;
  }
}

function metadataOf(part: { providerMetadata?: unknown }): { providerMetadata?: unknown } {
  return part.providerMetadata === undefined ? {} : { providerMetadata: part.providerMetadata };
}

function endingOf(part: TextStreamPart<ToolSet>): Ending | undefined {
  if (part.type === "error") return { type: "broken", error: part.error };
  if (part.type !== "finish-step") return undefined;
  const { finishReason: reason, rawFinishReason: raw, usage } = part;
  return { type: "finished", reason, raw, usage };
}

function conclude(
  ending: Ending | undefined,
  gathered: Gathered,
  asked: Asked,
  clock: Clock,
): AttemptEvent {
  if (ending?.type === "broken") {
    return { type: "fault", fault: faultOf(ending.error, asked, clock.now()) };
  }
  // A stream that just stops has no finish reason of the provider's own; half a reply must not pass for a whole one.
  const cutShort =
    ending === undefined ||
    ending.reason === "interrupted" ||
    ending.reason === "error" ||
    (ending.reason === "other" && ending.raw === undefined);
  if (cutShort) {
    const how = ending?.reason === "error" ? "broke its answer off" : "stopped in mid-answer";
    const message = `${asked.id} ${how}${ending?.raw ? ` (${ending.raw})` : ""}`;
    return { type: "fault", fault: { reason: "model_error", message, retry: true } };
  }
  const { parts, calls } = gathered;
  return {
    type: "reply",
    reply: {
      parts: parts.filter((part) => part.text !== "" || part.providerMetadata !== undefined),
      calls,
      finishReason: finishReasonOf(ending.reason, calls.length > 0),
      usage: usageOf(ending.usage),
    },
  };
}

function finishReasonOf(reason: FinishReason, hasCalls: boolean): Reply["finishReason"] {
  if (reason === "length") return "length";
  if (reason === "content-filter") return "refused";
  if (hasCalls) return "calls";
  return reason === "stop" ? "stop" : "other";
}

function usageOf(usage: LanguageModelUsage): Reply["usage"] {
  return {
    input_tokens: usage.inputTokens ?? 0,
    output_tokens: usage.outputTokens ?? 0,
    cache_read_tokens: usage.inputTokenDetails.cacheReadTokens ?? 0,
    cache_write_tokens: usage.inputTokenDetails.cacheWriteTokens ?? 0,
  };
}
