import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { ConfigError } from "../base/config.ts";
import type { Attempt, AttemptEvent } from "./attempt.ts";
import { withResults } from "./script-results.ts";

const tokens = z.int().min(0).default(0);

const ScriptTurn = z.strictObject({
  text: z.string().optional(),
  calls: z
    .array(z.strictObject({ tool: z.string().min(1), arguments: z.json() }))
    .max(100)
    .optional(),
  delayMs: z.number().min(0).max(86_400_000).optional(),
  usage: z
    .strictObject({
      input_tokens: tokens,
      output_tokens: tokens,
      cache_read_tokens: tokens,
      cache_write_tokens: tokens,
    })
    .prefault({}),
  failWith: z
    .strictObject({
      reason: z.enum(["model_error", "model_refused", "context_full", "model_credential_missing"]),
      message: z.string().min(1),
    })
    .optional(),
});

/**
 * One turn of a script: what the model says and calls, after which delay, or how it fails. Arguments may take fields of
 * earlier results; see `withResults`.
 */
export type ScriptTurn = z.input<typeof ScriptTurn>;

const Script = z.strictObject({ turns: z.array(ScriptTurn) });

/** The turns that a scripted model plays, in order, as they are written. */
export type Script = z.input<typeof Script>;
type ParsedScript = z.output<typeof Script>;

const NamedScripts = z.strictObject({ scripts: z.record(z.string().min(1), Script) });

/** What a script file holds: one script for every `scripted/…`, or one by name. */
export type ScriptBook = { script: ParsedScript } | { scripts: Record<string, ParsedScript> };

/**
 * Reads a script from a value that came from JSON. Throws a `ConfigError` that names the source, the field and what was
 * wanted there.
 */
export function parseScript(value: unknown, source: string): ScriptBook {
  const named = typeof value === "object" && value !== null && "scripts" in value;
  const parsed = named ? NamedScripts.safeParse(value) : Script.safeParse(value);
  if (parsed.success) return "turns" in parsed.data ? { script: parsed.data } : parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") || "the whole file";
  throw new ConfigError(`Cannot use the script ${source}, at ${field}: ${issue?.message}`);
}

/** Reads a script file once. Throws a `ConfigError` that names the file and what is wrong in it. */
export async function readScriptFile(path: string): Promise<ScriptBook> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new ConfigError(`Cannot read the script ${path}: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`Cannot use the script ${path}, not JSON: ${(error as Error).message}`);
  }
  return parseScript(value, path);
}

/** Finds the script that `scripted/<name>` plays; when scripts have names, the name must be one of them. */
export function chooseScript(
  book: ScriptBook,
  name: string,
): { ok: true; script: ParsedScript } | { ok: false; message: string } {
  if ("script" in book) return { ok: true, script: book.script };
  const script = Object.hasOwn(book.scripts, name) ? book.scripts[name] : undefined;
  if (script) return { ok: true, script };
  return { ok: false, message: `expected one of ${Object.keys(book.scripts).join(", ")}` };
}

/** Characters of one streamed piece: small, so that what is shown live arrives in several. */
const pieceChars = 24;

/**
 * Plays a script. The turn played is the one with the request's number, so that a run that is taken up again after a
 * crash sees the same replies. After the last turn the model says that the script is over.
 */
export function scriptedAttempt(script: ParsedScript, clock: Clock): Attempt {
  return async function* ask(request, signal): AsyncGenerator<AttemptEvent> {
    const turn = script.turns[request.turn] ?? afterTheEnd;
    try {
      if (turn.delayMs) await clock.sleep(turn.delayMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    if (turn.failWith) {
      yield { type: "fault", fault: { ...turn.failWith, retry: false, unbilled: true } };
      return;
    }
    const text = turn.text ?? "";
    for (const piece of pieces(text)) {
      if (signal.aborted) return;
      yield { type: "text", text: piece };
    }
    const calls = (turn.calls ?? []).map((call, index) => ({
      toolCallId: `call_${request.turn}_${index}`,
      tool: call.tool,
      arguments: withResults(call.arguments, request.messages),
    }));
    yield {
      type: "reply",
      reply: {
        parts: text === "" ? [] : [{ type: "text", text }],
        calls,
        finishReason: calls.length > 0 ? "calls" : "stop",
        usage: turn.usage,
      },
    };
  };
}

const afterTheEnd = ScriptTurn.parse({ text: "The script is over" });

/** Cut between code points, so that no piece ends in half a character. */
function pieces(text: string): string[] {
  return text.match(new RegExp(`[^]{1,${pieceChars}}`, "gu")) ?? [];
}
