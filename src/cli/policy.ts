import type { Command } from "commander";
import type { ExplainRequest, Explanation } from "../contract/explanation.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit, usage } from "./exit.ts";
import { findingLines } from "./findings.ts";
import { showHost } from "./host-names.ts";
import { collect } from "./option-values.ts";
import { openReading, type Reading } from "./overlooked.ts";
import { layOut, own, type PageLine, quote } from "./page.ts";
import { plainLine } from "./plain.ts";
import { readJsonFile, readTextFile } from "./read-value.ts";

interface ExplainFlags {
  tool: string;
  arguments?: string;
  agent?: string;
  capability?: string[];
  grant?: string[];
  file?: string[];
}

/** `policy explain`: what the policy would say of a call. */
export function addPolicy(program: Command, cli: Cli): void {
  const policy = program.command("policy").description("Ask the policy what it would say");
  examples(policy, "airlock policy explain -- curl -s https://example.org");
  const explain = policy
    .command("explain [command...]")
    .description("Tell whether a call would be allowed, and the least that would change it")
    .option("--tool <name>", "the tool that is called", "sandbox_exec")
    .option("--arguments <json>", "its other arguments, as a JSON object")
    .option("--agent <file>", "the agent: a JSON file; default: the built-in one")
    .option("--capability <json>", "a capability of the agent; may be repeated", collect)
    .option("--grant <json>", "a capability of the grant of the run tree; may be repeated", collect)
    .option("--file <name=path>", "a file that lies in /tmp; may be repeated", collect)
    .action(cli.run<ExplainFlags>(explainCall));
  examples(
    explain,
    "airlock policy explain -- pip install requests",
    `airlock policy explain --capability '{"type":"CodeExecution","patterns":["python3 "]}' -- python3 main.py`,
    "airlock policy explain --agent coder.json --file main.py=./main.py -- python3 main.py",
  );
}

async function explainCall(
  context: Context,
  flags: ExplainFlags,
  ...words: string[]
): Promise<number> {
  const { print, io } = context;
  const question = await readQuestion(flags, words);
  const explanation = await (await context.client()).policy.explain(question);
  if (print.json) await print.value(explanation);
  else {
    const columns = print.interactive ? io.stdout.columns || 80 : undefined;
    for (const row of layOut(describe(explanation, print.color), columns)) await print.line(row);
  }
  const codes = { allow: exit.ok, ask: exit.asks, deny: exit.failed };
  return codes[explanation.decision];
}

async function readQuestion(flags: ExplainFlags, words: string[]): Promise<ExplainRequest> {
  const args = flags.arguments === undefined ? {} : readJson("--arguments", flags.arguments);
  if (words.length > 0) args.command = shellCommand(words);
  const agent = flags.agent === undefined ? undefined : await readAgent(flags.agent);
  const own = flags.capability?.map((text) => readJson("--capability", text));
  const files = await Promise.all((flags.file ?? []).map(readFileFlag));
  const question = {
    tool: flags.tool,
    arguments: args,
    ...(agent === undefined && own === undefined
      ? {}
      : { agent: { ...agent, capabilities: own ?? agent?.capabilities ?? [] } }),
    ...(flags.grant === undefined
      ? {}
      : { grant: flags.grant.map((text) => readJson("--grant", text)) }),
    ...(files.length === 0 ? {} : { files }),
  };
  // What is allowed in it is for the gateway to say.
  return question as unknown as ExplainRequest;
}

/** Of an inline agent as `airlock run --agent` takes it, the part that is its power. */
async function readAgent(path: string): Promise<Record<string, unknown>> {
  const { capabilities, remote_access } = await readJsonFile("--agent", path.replace(/^@/, ""));
  return { capabilities, ...(remote_access === undefined ? {} : { remote_access }) };
}

function readJson(flag: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw usage(`${flag}: expected a JSON object, got ${JSON.stringify(text.slice(0, 100))}`);
}

async function readFileFlag(text: string): Promise<{ name: string; content: string }> {
  const at = text.indexOf("=");
  if (at <= 0) throw usage(`--file: expected NAME=PATH, got ${JSON.stringify(text)}`);
  return { name: text.slice(0, at), content: await readTextFile("--file", text.slice(at + 1)) };
}

/** One word is a shell command as it stands; several are one program with its arguments, and are quoted as such. */
export function shellCommand(words: readonly string[]): string {
  if (words.length === 1) return words[0] ?? "";
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

function describe(explanation: Explanation, color: Context["print"]["color"]): PageLine[] {
  const { decision, rule, reasons, commands, findings, hosts } = explanation;
  const reading = openReading();
  const paint = { allow: color.green, ask: color.yellow, deny: color.red }[decision];
  const lines = [own(`${decision}  ${reading.line(rule)}`, paint)];
  for (const reason of reasons) lines.push(...reasonLines(reason, reading));
  if (commands.length > 0) lines.push(own("what would be started", color.bold));
  for (const { text, program, via } of commands) {
    const through = via.length === 0 ? "" : `  (through ${via.map(plainLine).join(", ")})`;
    const what = program === null ? "a program that is not known before" : reading.line(program);
    lines.push(own(`  ${what}${through}`), ...quote(reading.text(text)));
  }
  if (hosts.length > 0) lines.push(own("what it could reach", color.bold));
  for (const host of hosts) lines.push({ mark: "  │ ", text: showHost(host).text });
  if (findings.length > 0) lines.push(own("what in it points to the network", color.bold));
  return [...lines, ...findingLines(findings, reading)];
}

function reasonLines(reason: Explanation["reasons"][number], reading: Reading): PageLine[] {
  const { rule, message, token, offset, narrowest_change, capability } = reason;
  const lines = [own(`  ${reading.line(message)}  (${reading.line(rule)})`)];
  if (token !== null) {
    const at = offset === null ? "" : ` at ${offset}`;
    lines.push(own(`    it is about ${reading.line(token)}${at}`));
  }
  if (narrowest_change !== null) {
    lines.push(own(`    to allow it: ${reading.line(narrowest_change)}`));
  }
  if (capability !== null) lines.push(own(`    ${reading.line(JSON.stringify(capability))}`));
  return lines;
}
