import { randomUUID } from "node:crypto";
import { chmod, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { InputPath } from "../contract/submission.ts";
import type { Agent, AgentDetail, AgentFolder } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, exit, usage } from "./exit.ts";
import { plain, plainLine } from "./plain.ts";
import { count, firstLines, shorten, showBytes, table } from "./words.ts";

/** `agents install|list|show|export|delete`: the agents of a gateway. */
export function addInstalledAgents(agents: Command, cli: Cli): void {
  addInstall(agents, cli);
  addList(agents, cli);
  addShow(agents, cli);
  addExport(agents, cli);
  addDelete(agents, cli);
}

function addInstall(agents: Command, cli: Cli): void {
  const install = agents
    .command("install <dir>")
    .description("Install an agent from its folder; runs that have begun keep their revision")
    .action(
      cli.run(async ({ client, print }, _options, dir) => {
        print.spinner.show("sending the folder");
        const made = await (await client()).agents.install({ from: dir });
        const { created, agent } = made;
        if (print.json) {
          await print.value(made);
          return exit.ok;
        }
        const state = created ? "" : "  (was there already, and is the active one)";
        await print.line(`${agent.id}  revision ${agent.number}  ${short(agent.revision)}${state}`);
        for (const note of agent.notes) print.note(`  ${noteLine(note)}`);
        print.hint(`Give it work with \`airlock run --agent ${agent.id} "…"\``);
        return exit.ok;
      }),
    );
  examples(install, "airlock agents install ./my-agent");
}

function addList(agents: Command, cli: Cli): void {
  const list = agents
    .command("list")
    .description("List the agents that can be run, with the models that they ask for")
    .action(
      cli.run(async ({ client, print }) => {
        const all = await (await client()).agents.list();
        if (print.json) for (const one of all) await print.value(one);
        else for (const line of table(all.map(rowOf))) await print.line(line);
        if (all.length === 0) print.hint("No agents; make one with `airlock agents init`");
        return exit.ok;
      }),
    );
  examples(list, "airlock agents list", "airlock agents list --json | jq -r .id");
}

function rowOf({ id, origin, number, model, description }: Agent): string[] {
  const which = origin === "reference" ? "comes with Airlock" : `revision ${number}`;
  return [id, which, plainLine(model ?? "script"), shorten(plainLine(description), 80)];
}

function addShow(agents: Command, cli: Cli): void {
  const show = agents
    .command("show <id>")
    .description("Show an agent: what it may do, its files, revisions and text")
    .option("--revision <revision>", "a digest or a number; default: the active one")
    .action(
      cli.run<{ revision?: string }>(async ({ client, print }, options, id) => {
        const agent = await (await client()).agents.get(id, options);
        if (print.json) await print.value(agent);
        else await showAgent({ print }, agent);
        return exit.ok;
      }),
    );
  examples(show, "airlock agents show coder.default", "airlock agents show my.agent --revision 2");
}

const linesShown = 20;

async function showAgent({ print }: Pick<Context, "print">, agent: AgentDetail): Promise<void> {
  const { color } = print;
  const { id, name, description, revision, number, manifest, files, notes, revisions } = agent;
  await print.line(`${color.bold(plainLine(name))}  ${id}`);
  if (description !== "") await print.line(`  ${plainLine(description)}`);
  const made = agent.createdAt === null ? "comes with Airlock" : `installed ${agent.createdAt}`;
  const facts = [
    ["revision", `${number} (${revision}), ${made}`],
    ["model", plainLine(agent.model ?? `none: runs ${manifest.script_entry ?? "a script"}`)],
    ["may", manifest.capabilities.map(capabilityText).join("; ") || "nothing"],
    ...(revisions.length > 1 ? [["revisions", `${revisions.length}`]] : []),
  ];
  for (const line of table(facts)) await print.line(`  ${line}`);
  await print.line(`  ${count(files.length, "file")} beside SKILL.md`);
  const rows = files.map((file) => [
    file.executable ? "x" : "-",
    showBytes(file.bytes),
    plainLine(file.path),
  ]);
  for (const line of table(rows)) await print.line(`    ${line}`);
  for (const note of notes) await print.line(`  ${color.yellow("note")} ${noteLine(note)}`);
  await print.line("");
  for (const line of firstLines(agent.instructions, linesShown)) await print.line(`  ${line}`);
}

function capabilityText({
  type,
  ...rest
}: AgentDetail["manifest"]["capabilities"][number]): string {
  const said = Object.values(rest).flatMap((value) => (Array.isArray(value) ? value : [value]));
  const shown = said.length === 0 ? "" : ` (${said.map((one) => JSON.stringify(one)).join(", ")})`;
  return shorten(plainLine(`${type}${shown}`), 160);
}

function noteLine({ line, message, remedy }: AgentDetail["notes"][number]): string {
  const where = line === null ? "" : `line ${line}: `;
  return plainLine(`${where}${message}. ${remedy}`);
}

function addExport(agents: Command, cli: Cli): void {
  const save = agents
    .command("export <id>")
    .description("Save the folder of an agent, as `agents install` takes it")
    .requiredOption("--to <dir>", "where to; it must not be there, or be empty")
    .option("--revision <revision>", "a digest or a number; default: the active one")
    .action(
      cli.run<{ to: string; revision?: string }>(async ({ client, print }, options, id) => {
        const { to, revision } = options;
        await refuseFull(to);
        const query = revision === undefined ? {} : { revision };
        const folder = await (await client()).agents.export(id, query);
        await saveFolder(folder, to);
        const bytes = folder.files.reduce((sum, file) => sum + file.bytes.length, 0);
        const files = folder.files.length;
        const saved = { id: folder.id, revision: folder.revision, path: to, files, bytes };
        if (print.json) await print.value(saved);
        else await print.line(`${plain(to)}  ${count(files, "file")}, ${showBytes(bytes)}`);
        return exit.ok;
      }),
    );
  examples(save, "airlock agents export coder.default --to ./my-coder");
}

async function refuseFull(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw usage(`--to: cannot use ${JSON.stringify(dir)}: ${error.message}`);
  });
  if (names.length > 0) throw usage(`--to: ${JSON.stringify(dir)} is not empty`);
}

/** All of it or nothing: it is written beside its place, and then moved there. */
async function saveFolder({ files }: AgentFolder, to: string): Promise<void> {
  const place = resolve(to);
  const aside = `${place}.${randomUUID()}.part`;
  try {
    for (const { path, bytes, executable } of files) {
      // Whoever answers is not asked where on this machine a file goes.
      if (!InputPath.safeParse(path).success) {
        throw new CliError("file_unwritable", `The agent has a file ${JSON.stringify(path)}`);
      }
      const at = join(aside, path);
      await mkdir(dirname(at), { recursive: true });
      await writeFile(at, bytes, { flag: "wx" });
      if (executable) await chmod(at, 0o755);
    }
    await rename(aside, place);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (error instanceof CliError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("file_unwritable", `--to: cannot write ${JSON.stringify(to)}: ${reason}`);
  }
}

function addDelete(agents: Command, cli: Cli): void {
  const remove = agents
    .command("delete <id>")
    .description("Delete an installed agent with all revisions; runs keep what they began with")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        await (await client()).agents.delete(id);
        if (print.json) await print.value({ id, deleted: true });
        else print.note(`Deleted ${plainLine(id)}`);
        return exit.ok;
      }),
    );
  examples(remove, "airlock agents delete my.agent");
}

/** Enough of a digest to tell it from others. */
function short(digest: string): string {
  return digest.slice(0, "sha256:".length + 12);
}
