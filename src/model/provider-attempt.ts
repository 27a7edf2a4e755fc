import type { FinishReason, LanguageModel, LanguageModelUsage, TextStreamPart, ToolSet } from "ai";
import type { Clock } from "../base/clock.ts";
import type { AskLimits, Attempt, AttemptEvent } from "./attempt.ts";
import { toInstructions, toModelMessages } from "./conversation.ts";
import { type Asked, faultOf } from "./failure.ts";
import type { ModelRequest, ProviderSkill, Reply, ReplyPart } from "./model.ts";
import type { ModelProvider } from "./model-id.ts";
import { goOn, isPaused, openPaused, type Paused } from "./paused.ts";
import { skillContainer, skillTools } from "./provider-skills.ts";
import { ProviderTimeout } from "./timed-fetch.ts";

/** What a stream of parts has become so far. */
interface Gathered {
  parts: ReplyPart[];
  open: Map<string, ReplyPart>;
  calls: Reply["calls"];
  usage: Reply["usage"];
}

/** How the provider's stream ended, or how it broke. */
export type Ending =
  | {
      type: "finished";
      reason: FinishReason;
      raw: string | undefined;
      usage: LanguageModelUsage;
      metadata: unknown;
    }
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
    const gathered: Gathered = { parts: [], open: new Map(), calls: [], usage: noUsage() };
    let ending: Ending | undefined;
    try {
      const model = await load();
      const both = AbortSignal.any([signal, cut.signal]);
      const paused = openPaused(request);
      let opened: Awaited<ReturnType<typeof openStream>>;
      do {
        opened = await openStream(model, provider, request, paused, both);
        ending = undefined;
        for await (const part of opened.stream) {
          const text = gather(gathered, part);
          if (text) yield { type: "text", text };
          ending = endingOf(part) ?? ending;
          if (ending?.type === "broken") break;
        }
        if (ending?.type === "finished") addUsage(gathered.usage, usageOf(ending.usage));
      } while (isPaused(ending) && (await goOn(paused, ending, opened.responseMessages)));
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
  paused: Paused,
  signal: AbortSignal,
) {
  const { jsonSchema, streamText, tool } = await import("ai");
  // The package would print its warnings to stderr, between the lines of the log.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const skills = provider === "anthropic" ? (request.providerSkills ?? []) : [];
  const tools: ToolSet = {
    ...Object.fromEntries(
      request.tools.map(({ name, description, inputSchema }) => [
        name,
        tool({ description, inputSchema: jsonSchema(inputSchema) }),
      ]),
    ),
    ...(skills.length > 0 ? await skillTools() : {}),
  };
  const instructions = toInstructions(request.system);
  const maxOutputTokens = sendableOutputTokens(provider, paused.outputTokensLeft);
  return streamText({
    model,
    ...(instructions ? { instructions } : {}),
    messages: [...toModelMessages(request.messages, provider), ...paused.messages],
    ...(Object.keys(tools).length > 0 ? { tools } : {}),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    providerOptions: providerOptions(provider, skills, paused.container),
    maxRetries: 0,
    telemetry: { isEnabled: false },
    abortSignal: signal,
    // Errors are parts of the stream; without this the package would print them as well.
    onError: () => undefined,
  });
}

function providerOptions(
  provider: ModelProvider,
  skills: readonly ProviderSkill[],
  container: string | undefined,
) {
  // Nothing is left at the provider: what a later turn needs comes with the reply and is sent again.
  if (provider === "openai") return { openai: { store: false } };
  return skills.length > 0 ? { anthropic: { container: skillContainer(skills, container) } } : {};
}

/** What every model takes as a limit of one reply; Anthropic's package knows its models and lowers a limit by itself. */
export const outputTokensAnywhere = 8192;
const outputTokensAnthropic = 128_000;

export function sendableCeiling(provider: ModelProvider): number {
  return provider === "anthropic" ? outputTokensAnthropic : outputTokensAnywhere;
}

/**
 * The token limit to send. Most providers refuse the request when the limit exceeds what the model can write, and that
 * differs by model; so a higher limit is not sent and the model's own applies. OpenAI refuses less than 16.
 */
function sendableOutputTokens(provider: ModelProvider, wanted: number | undefined) {
  const ceiling = sendableCeiling(provider);
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
  const { finishReason: reason, rawFinishReason: raw, usage, providerMetadata: metadata } = part;
  return { type: "finished", reason, raw, usage, metadata };
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
  if (isPaused(ending)) {
    const message = `${asked.id} paused in the middle of its own work, and cannot be let go on`;
    return { type: "fault", fault: { reason: "model_error", message, retry: false } };
  }
  const { parts, calls, usage } = gathered;
  return {
    type: "reply",
    reply: {
      parts: parts.filter((part) => part.text !== "" || part.providerMetadata !== undefined),
      calls,
      finishReason: finishReasonOf(ending.reason, calls.length > 0),
      usage,
    },
  };
}

function finishReasonOf(reason: FinishReason, hasCalls: boolean): Reply["finishReason"] {
  if (reason === "length") return "length";
  if (reason === "content-filter") return "refused";
  if (hasCalls) return "calls";
  return reason === "stop" ? "stop" : "other";
}

function noUsage(): Reply["usage"] {
  return { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
}

function addUsage(sum: Reply["usage"], more: Reply["usage"]): void {
  sum.input_tokens += more.input_tokens;
  sum.output_tokens += more.output_tokens;
  sum.cache_read_tokens += more.cache_read_tokens;
  sum.cache_write_tokens += more.cache_write_tokens;
}

function usageOf(usage: LanguageModelUsage): Reply["usage"] {
  const { cacheReadTokens, cacheWriteTokens } = usage.inputTokenDetails;
  return {
    input_tokens: tokensOf(usage.inputTokens),
    output_tokens: tokensOf(usage.outputTokens),
    cache_read_tokens: tokensOf(cacheReadTokens),
    cache_write_tokens: tokensOf(cacheWriteTokens),
  };
}

/** More than any request has: sums of such numbers are exact. */
const tokensBelieved = 1_000_000_000;

/** A server's own word, and a run may bring the server: less than nothing would give back what others have spent (I13). */
function tokensOf(said: number | undefined): number {
  if (said === undefined || !(said > 0)) return 0;
  return Math.min(Math.ceil(said), tokensBelieved);
}
