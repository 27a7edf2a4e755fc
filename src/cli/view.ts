import {
  type EventData,
  isEvent,
  type LiveEvent,
  type RequestedCall,
  type RunEvent,
} from "../contract/event.ts";
import { askedLines } from "./asked.ts";
import { showDuration } from "./duration.ts";
import { effectLines } from "./effects.ts";
import { plain } from "./plain.ts";
import type { Printer } from "./print.ts";
import { statusMark } from "./run-summary.ts";
import { callSummary, count, firstLines, shorten, showBytes, textOf } from "./words.ts";

/** A run as people read it: turns, calls with what came of them, and the end. */
export interface RunView {
  show(event: RunEvent | LiveEvent): Promise<void>;
}

export interface ViewOptions {
  /** Only what the model said. */
  turnsOnly?: boolean;
  /** It happens now: between events, say what is waited for. */
  live?: boolean;
}

const resultLines = 8;
const lineCharsMax = 4096;

/**
 * Turns events, as they come, into lines. Everything that a run wrote passes `plain` here.
 */
export function openView(print: Printer, options: ViewOptions = {}): RunView {
  const calls = new Map<string, RequestedCall>();
  let before = "";
  const said = openSpeech(print);
  const output = openOutput(print);
  const { color, spinner } = print;

  async function replied(data: EventData<"turn.replied">) {
    for (const call of data.calls) calls.set(call.call_id, call);
    const parts = data.parts.filter((part) => part.type === "text");
    await said.settle(parts.map((part) => textOf(part.text) ?? "").join(""));
  }

  async function started({ call_id, tool }: EventData<"call.started">) {
    const summary = callSummary(calls.get(call_id));
    await print.line(`${color.cyan("▸")} ${color.bold(plain(tool))}  ${summary}`);
  }

  async function finished(data: EventData<"call.finished">) {
    const live = await output.end(data.call_id);
    const result = (data.result ?? {}) as Record<string, unknown>;
    const good = data.outcome === "returned" && result.ok !== false;
    if (!live) await printStreams(print, result);
    const verdict = verdictOf(data.outcome, result);
    const mark = good ? color.green("✓") : color.red("✗");
    const took = color.dim(showDuration(data.duration_ms));
    await print.line(`  ${mark} ${verdict} ${took}`);
    calls.delete(data.call_id);
    // The last word of a script: it has no model to say it.
    if (data.reply !== undefined) await said.settle(textOf(data.reply) ?? "");
  }

  async function ended({ status, stop_reason, message }: EventData<"run.finished">) {
    await said.end();
    await print.line(`${statusMark(print, status)} ${status} (${plain(stop_reason)})`);
    if (message) await print.line(`  ${firstLines(message, 20, 1000).join("\n  ")}`);
  }

  return {
    async show(event) {
      if (isLive(event)) {
        if (event.type === "model.delta") return await said.hear(event.data);
        if (event.type === "model.reset") return await said.reset(event.data.reason);
        if (event.type === "call.capturing") {
          const { path, bytes } = event.data;
          return spinner.show(`capturing ${plain(path)}: ${showBytes(bytes)}`);
        }
        if (event.type === "environment.output") {
          const { ecosystem, text } = event.data;
          const line = text.trim().split("\n").at(-1) ?? "";
          return spinner.show(`installing ${ecosystem} packages: ${plain(line).slice(0, 100)}`);
        }
        if (event.type === "call.progress") {
          const { progress, total, message } = event.data;
          const of = total === null ? "" : ` of ${total}`;
          return spinner.show(`${plain(message) || "at work"}: ${progress}${of}`);
        }
        if (!options.turnsOnly) await output.hear(event.data);
        return;
      }
      if (isEvent(event, "turn.replied")) await replied(event.data);
      if (isEvent(event, "run.finished")) await ended(event.data);
      if (!options.turnsOnly) {
        // Who goes on after an answer is no news.
        if (isEvent(event, "run.resumed") && !/^(approval|wait)\.resolved$/.test(before)) {
          await said.end();
          await print.line(color.dim("A new worker took the run over"));
        }
        if (isEvent(event, "call.started")) await started(event.data);
        if (isEvent(event, "call.finished")) await finished(event.data);
        for (const line of effectLines(event, color)) await print.line(line);
        for (const line of askedLines(event, color)) await print.line(line);
        if (isEvent(event, "outputs.captured") && !event.data.partial) {
          const { outputs, missing } = event.data;
          const lost = missing.length > 0 ? `, ${missing.length} missing` : "";
          await print.line(color.dim(`${count(outputs.length, "output")} captured${lost}`));
        }
      }
      before = event.type;
      if (options.live && event.type !== "run.finished") spinner.show(labelOf(event));
    },
  };
}

/**
 * What the model says: piece by piece when it is live, and in any case once and whole when the turn
 * has ended.
 */
function openSpeech(print: Printer) {
  let heard = "";
  let midLine = false;
  const write = async (text: string) => {
    if (text === "") return;
    await print.write(plain(text));
    midLine = !text.endsWith("\n");
  };
  const end = async () => {
    if (midLine) await print.write("\n");
    midLine = false;
    heard = "";
  };
  return {
    end,
    async hear({ text, offset }: { text: string; offset: number }) {
      // The head of this answer was said before anybody listened; it will come whole with
      // `turn.replied`.
      if (heard === "" && offset > 0) return;
      heard += text;
      await write(text);
    },
    async reset(reason: string) {
      await end();
      await print.line(print.color.dim(`(the answer broke off: ${shorten(plain(reason), 200)})`));
    },
    async settle(whole: string) {
      if (whole.startsWith(heard)) {
        await write(whole.slice(heard.length));
      } else {
        await end();
        await write(whole);
      }
      await end();
    },
  };
}

/**
 * Output of commands while they run, line by line: half a line waits for its other half, up to a
 * limit (I9).
 */
function openOutput(print: Printer) {
  const open = new Map<string, { stdout: string; stderr: string }>();
  const line = (text: string) => print.line(print.color.dim(`  │ ${plain(text)}`));
  return {
    async hear({ call_id, stream, text }: Extract<LiveEvent, { type: "call.output" }>["data"]) {
      const rest = open.get(call_id) ?? { stdout: "", stderr: "" };
      open.set(call_id, rest);
      const lines = (rest[stream] + text).split("\n");
      rest[stream] = lines.pop() ?? "";
      for (const whole of lines) await line(shorten(whole, lineCharsMax));
      if (rest[stream].length < lineCharsMax) return;
      await line(rest[stream]);
      rest[stream] = "";
    },
    /** Prints what is left of a call's output, and tells whether there was any. */
    async end(callId: string): Promise<boolean> {
      const rest = open.get(callId);
      if (!rest) return false;
      open.delete(callId);
      for (const text of [rest.stdout, rest.stderr]) if (text !== "") await line(text);
      return true;
    },
  };
}

async function printStreams(print: Printer, result: Record<string, unknown>) {
  for (const text of [textOf(result.stdout), textOf(result.stderr)]) {
    if (!text) continue;
    for (const line of firstLines(text, resultLines)) {
      await print.line(print.color.dim(`  │ ${line}`));
    }
  }
}

function verdictOf(outcome: string, result: Record<string, unknown>): string {
  const message = textOf(result.message);
  if (message !== undefined) return firstLines(message, 1)[0] ?? outcome;
  if (typeof result.exit_code === "number") return `exit ${result.exit_code}`;
  return outcome === "returned" ? "done" : plain(outcome);
}

function labelOf(event: RunEvent | LiveEvent): string {
  if (event.type === "call.started")
    return `${plain((event as RunEvent & { data: { tool: string } }).data.tool)} is running`;
  if (event.type === "run.submitted") return "waiting for a place";
  if (event.type === "run.started") return "preparing the sandbox";
  if (event.type === "approval.requested") return "waiting for a person";
  if (event.type === "wait.started") return waitingFor(event as RunEvent);
  if (event.type === "run.finishing") return "capturing outputs";
  return "the model is thinking";
}

function waitingFor(event: RunEvent): string {
  const isInput = isEvent(event, "wait.started") && event.data.on === "input";
  return isInput ? "waiting for a person" : "waiting for its tasks";
}

function isLive(event: RunEvent | LiveEvent): event is LiveEvent {
  return !("seq" in event);
}
