import { mkdir, open } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import type { TemplateFile } from "../agents/agents.ts";
import { AgentId } from "../contract/agent.ts";
import { type ScriptLanguage, scriptLanguages } from "../contract/manifest.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, exit, usage } from "./exit.ts";
import { plainLine } from "./plain.ts";

interface InitFlags {
  script?: string;
  id?: string;
}

/** `agents init`: the files of a new agent, without any gateway. */
export function addAgentsInit(agents: Command, cli: Cli): void {
  const init = agents
    .command("init <dir>")
    .description("Write a new agent that can be installed as it is; needs no gateway")
    .option("--script <language>", `an agent without a model: ${scriptLanguages.join(", ")}`)
    .option("--id <id>", "the agent's id; default: the directory's name")
    .action(cli.run<InitFlags>(initAgent));
  examples(
    init,
    "airlock agents init weather.default",
    "airlock agents init word-count --script python",
  );
}

async function initAgent({ print }: Context, flags: InitFlags, dir = ""): Promise<number> {
  const folder = resolve(dir);
  const id = flags.id ?? basename(folder);
  if (!AgentId.safeParse(id).success) {
    const remedy = "Give another with --id: letters, digits, - and _, in parts joined by dots";
    throw usage(`${JSON.stringify(id)} cannot be an agent's id`, remedy);
  }
  const script = language(flags.script);
  // Loaded when it is needed, with all that reads manifests.
  const { agentTemplate } = await import("../agents/agents.ts");
  const files = agentTemplate({ id, script });
  await mkdir(folder, { recursive: true });
  for (const file of files) await writeNew(folder, file);
  if (print.json) {
    await print.value({ id, folder, files: files.map(({ path }) => path) });
  } else {
    for (const { path } of files) await print.line(plainLine(join(dir, path)));
  }
  print.hint(`Check it with \`airlock agents validate ${plainLine(dir)}\``);
  return exit.ok;
}

function language(given: string | undefined): ScriptLanguage | undefined {
  const known = scriptLanguages.find((one) => one === given);
  if (given === undefined || known !== undefined) return known;
  const all = scriptLanguages.join(", ");
  throw usage(`--script: expected one of ${all}, got ${JSON.stringify(given)}`);
}

/** Nothing that is there is written over. */
async function writeNew(folder: string, { path, text, executable }: TemplateFile): Promise<void> {
  const to = join(folder, path);
  await mkdir(dirname(to), { recursive: true });
  try {
    const file = await open(to, "wx", executable ? 0o755 : 0o644);
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    const remedy = "Give a directory that has none, or remove it first";
    throw new CliError("file_exists", `${to} is there already`, remedy);
  }
}
