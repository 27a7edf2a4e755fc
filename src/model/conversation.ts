import { createHash } from "node:crypto";
import type {
  AssistantContent,
  JSONValue,
  ModelMessage,
  SystemModelMessage,
  ToolContent,
} from "ai";
import type { Message } from "./model.ts";
import type { ModelProvider } from "./model-id.ts";

type ProviderOptions = NonNullable<SystemModelMessage["providerOptions"]>;
type AssistantPart = Extract<Message, { role: "assistant" }>["parts"][number];

/** Marks a place up to which Anthropic keeps the prompt, so that the next turn pays for what is new only. */
const cached: ProviderOptions = { anthropic: { cacheControl: { type: "ephemeral" } } };

/** The system prompt in the provider packages' form; none when it is blank, which some providers refuse. */
export function toInstructions(system: string): SystemModelMessage | undefined {
  if (system.trim() === "") return undefined;
  return { role: "system", content: system, providerOptions: cached };
}

/**
 * Our transcript in the provider packages' form. What a provider gave with a part (signatures, encrypted reasoning) goes
 * back with it as it came; what another provider gave is left out, because after a fallback it would be refused.
 */
export function toModelMessages(
  messages: readonly Message[],
  provider: ModelProvider,
): ModelMessage[] {
  const converted = messages.flatMap((message) => toModelMessage(message, provider));
  // The last message, and the one that was last a turn ago: a long turn would otherwise push the known prefix out of
  // the stretch in which Anthropic looks for it.
  for (const message of [converted.at(-1), converted.at(-3)]) {
    if (message) message.providerOptions = cached;
  }
  return converted;
}

function toModelMessage(message: Message, provider: ModelProvider): ModelMessage[] {
  switch (message.role) {
    case "user":
      return [{ role: "user", content: message.text }];
    case "assistant": {
      const content = message.parts.flatMap((part) => toAssistantPart(part, provider));
      return content.length > 0 ? [{ role: "assistant", content }] : [];
    }
    case "tool": {
      const content: ToolContent = message.results.map((result) => ({
        type: "tool-result",
        toolCallId: callIdFor(provider, result.toolCallId),
        toolName: sendableToolName(result.tool),
        output:
          typeof result.result === "string"
            ? { type: "text", value: result.result }
            : { type: "json", value: toJson(result.result) },
      }));
      return content.length > 0 ? [{ role: "tool", content }] : [];
    }
  }
}

function toAssistantPart(
  part: AssistantPart,
  provider: ModelProvider,
): Exclude<AssistantContent, string> {
  const options = ownOptions(part.providerMetadata, provider);
  const withOptions = options ? { providerOptions: options } : {};
  switch (part.type) {
    case "text":
      // Anthropic refuses blank text. Google puts signatures on empty text, so what has options is kept.
      if (part.text.trim() === "" && (!options || provider === "anthropic")) return [];
      return [{ type: "text", text: part.text, ...withOptions }];
    case "reasoning":
      if (part.providerMetadata !== undefined && !options) return [];
      return [{ type: "reasoning", text: part.text, ...withOptions }];
    case "call":
      return [
        {
          type: "tool-call",
          toolCallId: callIdFor(provider, part.toolCallId),
          toolName: sendableToolName(part.tool),
          input: isRecord(part.arguments)
            ? part.arguments
            : { invalid_arguments: toJson(part.arguments) },
          ...withOptions,
        },
      ];
  }
}

/** The part of what came with a reply that is for this provider; it came as JSON and goes back as JSON. */
function ownOptions(metadata: unknown, provider: ModelProvider): ProviderOptions | undefined {
  if (!isRecord(metadata)) return undefined;
  const own = metadata[provider];
  return isRecord(own) ? { [provider]: own as ProviderOptions[string] } : undefined;
}

/**
 * A name that a model made up goes back to it in the transcript, and providers refuse the whole request over one
 * character that they do not allow in a tool's name.
 */
function sendableToolName(tool: string): string {
  return tool.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64) || "_";
}

/** A call's id as this provider takes it. Ids of another provider, from before a fallback, may be too long or too free. */
function callIdFor(provider: ModelProvider, id: string): string {
  const allowed = provider === "mistral" ? /^[a-zA-Z0-9]{9}$/ : /^[a-zA-Z0-9_-]{1,64}$/;
  if (allowed.test(id)) return id;
  const hash = createHash("sha256").update(id).digest("hex");
  return provider === "mistral" ? hash.slice(0, 9) : `call_${hash.slice(0, 32)}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function toJson(value: unknown): JSONValue {
  return value === undefined ? null : (value as JSONValue);
}
