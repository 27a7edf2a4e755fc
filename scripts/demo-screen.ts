import pc from "picocolors";
import { isEvent, type LiveEvent, type RunEvent } from "../src/sdk/sdk.ts";

/** How many lines of one command's output are worth a screen. */
const outputLinesShown = 12;

/** Arguments of the calls that a turn asked for, until the call starts. */
const asked = new Map<string, unknown>();
let outputLines = 0;
let column = 0;

/** Prints what one event means to a person who watches. */
export function showEvent(event: RunEvent | LiveEvent): void {
  if (event.type === "model.delta") write(event.data.text);
  else if (event.type === "model.reset")
    line(pc.yellow(`The model starts over: ${event.data.reason}`));
  else if (event.type === "call.output") showOutput(event.data.text);
  else {
    const text = factLine(event);
    if (text !== undefined) line(text);
  }
}

/** One line for a durable event, or undefined when it says nothing that is not on the screen already. */
function factLine(event: RunEvent): string | undefined {
  if (isEvent(event, "run.provisioned")) {
    return pc.dim(`sandbox ready: ${event.data.isolation.sandbox}\n`);
  }
  if (isEvent(event, "turn.replied")) {
    for (const call of event.data.calls) asked.set(call.call_id, call.arguments);
    return "";
  }
  if (isEvent(event, "call.started")) {
    outputLines = 0;
    const { title, why } = describeCall(event.data.tool, asked.get(event.data.call_id));
    return `${pc.cyan("→")} ${pc.bold(title)}${why ? pc.dim(`  ${why}`) : ""}`;
  }
  if (isEvent(event, "call.finished")) {
    const { result, duration_ms } = event.data;
    const code = field(result, "exit_code");
    const ok = field(result, "ok") === true;
    const words = typeof code === "number" ? `exit ${code}` : event.data.outcome;
    const text = `${ok ? "✓" : "✗"} ${words}, ${(duration_ms / 1000).toFixed(2)} s\n`;
    return ok ? pc.green(text) : pc.red(text);
  }
  if (isEvent(event, "outputs.captured") && !event.data.partial) {
    return pc.dim(`${event.data.outputs.length} files captured`);
  }
  return undefined;
}

function describeCall(tool: string, args: unknown): { title: string; why?: string } {
  if (tool === "sandbox_exec") {
    const intent = field(args, "intent");
    return {
      title: `$ ${short(field(args, "command"))}`,
      ...(typeof intent === "string" ? { why: intent } : {}),
    };
  }
  const content = field(args, "content");
  const size = typeof content === "string" ? `${content.split("\n").length} lines` : undefined;
  return { title: `${tool} ${short(field(args, "name"))}`, ...(size ? { why: size } : {}) };
}

function showOutput(text: string): void {
  for (const piece of text.replace(/\n$/, "").split("\n")) {
    outputLines += 1;
    if (outputLines <= outputLinesShown) line(`  ${pc.dim("│")} ${short(piece)}`);
    if (outputLines === outputLinesShown + 1) line(pc.dim("  │ …"));
  }
}

/** Commands and output are a model's words: control characters would reach the terminal and move its cursor. */
function short(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? "");
  const plain = text.replace(/[\0-\x1f\x7f-\x9f]+/g, " ");
  return plain.length > 140 ? `${plain.slice(0, 139)}…` : plain;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function write(text: string): void {
  const plain = text.replace(/[\0-\x09\x0b-\x1f\x7f-\x9f]+/g, " ");
  process.stdout.write(plain);
  column = plain.endsWith("\n") ? 0 : 1;
}

function line(text: string): void {
  if (column !== 0) process.stdout.write("\n");
  column = 0;
  if (text !== "") process.stdout.write(`${text}\n`);
}
