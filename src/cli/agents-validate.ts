import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Command } from "commander";
import type { AgentProblem, ManifestNote } from "../contract/installed-agent.ts";
import { Problem } from "../contract/problem.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit, usage } from "./exit.ts";
import { plainLine } from "./plain.ts";
import { count } from "./words.ts";

/** What was found in one folder. */
interface Validated {
  path: string;
  ok: boolean;
  agent: string | null;
  problems: AgentProblem[];
  notes: ManifestNote[];
}

/** `agents validate`: what an installation would say, without any gateway. */
export function addAgentsValidate(agents: Command, cli: Cli): void {
  const validate = agents
    .command("validate <path...>")
    .description("Check agents as an installation would: folders or SKILL.md; needs no gateway")
    .action(cli.run(validateAgents));
  examples(
    validate,
    "airlock agents validate weather.default",
    "airlock agents validate agents/*/SKILL.md --json",
  );
}

async function validateAgents(
  context: Context,
  _flags: object,
  ...paths: string[]
): Promise<number> {
  let failed = false;
  for (const path of paths) {
    const found = await validated(path);
    failed ||= !found.ok;
    if (context.print.json) await context.print.value(found);
    else await printFound(context, found);
  }
  return failed ? exit.failed : exit.ok;
}

async function validated(path: string): Promise<Validated> {
  const folder = await folderOf(path);
  // Loaded when it is needed: no other command reads manifests.
  const { loadAgent } = await import("../agents/agents.ts");
  try {
    const { manifest, notes } = await loadAgent(folder);
    return { path, ok: true, agent: manifest.agent.id, problems: [], notes };
  } catch (cause) {
    if (!(cause instanceof Problem) || cause.code !== "agent_invalid") throw cause;
    const problems = (cause.details?.problems ?? []) as AgentProblem[];
    return { path, ok: false, agent: null, problems, notes: [] };
  }
}

async function folderOf(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw usage(`There is no ${JSON.stringify(path)}`);
    throw cause;
  }
  if (basename(path) === "SKILL.md") return dirname(path);
  throw usage(`${JSON.stringify(path)} is neither a folder nor a SKILL.md`);
}

async function printFound({ print }: Context, found: Validated): Promise<void> {
  const { color } = print;
  const { path, agent, problems, notes } = found;
  const skill = basename(path) === "SKILL.md" ? path : `${path.replace(/\/+$/, "")}/SKILL.md`;
  for (const one of [...problems, ...notes]) {
    const isProblem = problems.includes(one as AgentProblem);
    const column = "column" in one && one.column !== null ? `:${one.column}` : "";
    const where = one.line === null ? dirname(skill) : `${skill}:${one.line}${column}`;
    const mark = isProblem ? color.red("error") : color.yellow("note");
    await print.line(`${plainLine(where)}  ${mark}  ${plainLine(one.message)}`);
    await print.line(`  → ${plainLine(one.remedy)}`);
  }
  const sum = notes.length === 0 ? "" : `, ${count(notes.length, "note")}`;
  await print.line(
    found.ok
      ? `${color.green("✓")} ${plainLine(agent ?? path)} can be installed${sum}`
      : `${color.red("✗")} ${plainLine(path)}: ${count(problems.length, "problem")}`,
  );
}
