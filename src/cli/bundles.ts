import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import type { BundleFile } from "../contract/bundle.ts";
import {
  AgentsMd,
  type AirlockClient,
  type BundleCalls,
  type BundleFiles,
  File,
  Skill,
} from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, exit, usage } from "./exit.ts";
import { collect } from "./option-values.ts";
import { plain, plainLine } from "./plain.ts";
import { readBundleFile } from "./read-value.ts";
import { count, showBytes, table } from "./words.ts";

/** What every kind of bundle has in its record. */
interface Row {
  id: string;
  name: string;
  contentHash: string;
  sizeBytes: number;
  fileCount: number;
  createdAt: string;
  description?: string | null;
}

/** A bundle that was read here, and what became of it. */
interface Local {
  upload(client: AirlockClient): Promise<{ record?: Row | undefined }>;
  uploadIfChanged(client: AirlockClient): Promise<{ record?: Row | undefined }>;
}

interface UploadFlags {
  name?: string;
  fromPath?: string;
  file?: string[];
  ifChanged?: boolean;
}

/** A kind of bundle, as its commands speak of it. */
interface Kind {
  command: string;
  one: string;
  many: string;
  sample: string;
  description: string;
  /** The argument of `upload`, and what may be in it. */
  source: string;
  calls(client: AirlockClient): BundleCalls<Row>;
  fromPath(path: string, options: { name?: string }): Promise<Local>;
  fromFiles?(name: string, files: BundleFiles): Promise<Local>;
}

const kinds: Kind[] = [
  {
    command: "skills",
    one: "skill",
    many: "skills",
    sample: "skl_01kadz3v6m5c0jx9s2qf8t7w4b",
    description: "Upload, list and delete skills, which any number of runs can be given",
    source: "a directory with a SKILL.md",
    calls: ({ skills }) => skills,
    fromPath: (path, options) => Skill.fromPath(path, options),
    fromFiles: (name, files) => Skill.fromFiles({ name, files }),
  },
  {
    command: "agents-md",
    one: "instructions",
    many: "instructions",
    sample: "amd_01kadz3v6m5c0jx9s2qf8t7w4b",
    description: "Upload, list and delete instructions, which are said before a prompt",
    source: "a text file, as AGENTS.md",
    calls: ({ agentsMd }) => agentsMd,
    fromPath: (path, options) => AgentsMd.fromPath(path, options),
  },
  {
    command: "files",
    one: "file",
    many: "files",
    sample: "fil_01kadz3v6m5c0jx9s2qf8t7w4b",
    description: "Upload, list and delete files, which runs find mounted read-only",
    source: "a file or a directory",
    calls: ({ files }) => files,
    fromPath: (path, options) => File.fromPath(path, options),
  },
];

/** `skills`, `agents-md` and `files`: what is uploaded once and given to any number of runs. */
export function addBundles(program: Command, cli: Cli): void {
  for (const kind of kinds) {
    const group = program.command(kind.command).description(kind.description);
    const { command, sample } = kind;
    examples(group, `airlock ${command} list`, `airlock ${command} get ${sample}`);
    addUpload(group, cli, kind);
    addList(group, cli, kind);
    addGet(group, cli, kind);
    addDelete(group, cli, kind);
  }
}

function addUpload(group: Command, cli: Cli, kind: Kind): void {
  const { command, one, source, fromFiles } = kind;
  const upload = group
    .command("upload [path]")
    .description(`Upload ${source}, and print its id`)
    .option("--name <name>", "what it is called; default: the name of the path")
    .option("--from-path <path>", "the same as the argument");
  if (fromFiles !== undefined) {
    upload.option(
      "--file <file>",
      "in place of a path: this file, by its own name; again",
      collect,
    );
  }
  upload.option("--if-changed", "send nothing when the workspace has this name with this content");
  upload.action(
    cli.run<UploadFlags>(async (context, flags, path) => {
      const { print } = context;
      const local = await readLocal(kind, flags, path);
      const client = await context.client();
      print.spinner.show(`uploading ${plainLine(flags.name ?? path ?? flags.fromPath ?? one)}`);
      const { record } = await (flags.ifChanged
        ? local.uploadIfChanged(client)
        : local.upload(client));
      if (record === undefined) throw new CliError("internal", "The gateway gave no record");
      if (print.json) await print.value(record);
      else {
        await print.line(record.id);
        const size = `${showBytes(record.sizeBytes)} in ${count(record.fileCount, "file")}`;
        print.note(`${plainLine(record.name)}: ${size}, ${record.contentHash}`);
      }
      return exit.ok;
    }),
  );
  const path = { skills: "./my-skill", "agents-md": "AGENTS.md", files: "./reference" }[command];
  examples(
    upload,
    `airlock ${command} upload ${path}`,
    `airlock ${command} upload --name house-style --from-path ${path} --if-changed`,
  );
}

async function readLocal(kind: Kind, flags: UploadFlags, path?: string): Promise<Local> {
  const { name, fromPath, file } = flags;
  const given = [path, fromPath, file].filter((one) => one !== undefined);
  if (given.length !== 1) {
    const sources = kind.fromFiles ? "a path, --from-path and --file" : "a path and --from-path";
    throw usage(
      given.length === 0
        ? `Nothing to upload: expected ${kind.source}`
        : `Give only one of ${sources}`,
      `See \`airlock ${kind.command} upload --help\``,
    );
  }
  const from = path ?? fromPath;
  if (from !== undefined) {
    await refuseAbsent(from);
    return await kind.fromPath(resolve(from), name === undefined ? {} : { name });
  }
  if (name === undefined) throw usage("--file needs --name: what the files are called together");
  const read: [string, { content: Uint8Array; executable: boolean }][] = [];
  for (const one of file ?? []) {
    const own = basename(one);
    if (read.some(([before]) => before === own)) {
      throw usage(`--file: two files are called ${JSON.stringify(own)}`, "Upload their directory");
    }
    read.push([own, await readBundleFile("--file", one)]);
  }
  if (kind.fromFiles === undefined) throw usage("--file is not for these");
  return await kind.fromFiles(name, Object.fromEntries(read));
}

async function refuseAbsent(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("file_unreadable", `Cannot read ${path}: ${reason}`);
  }
}

function addList(group: Command, cli: Cli, { command, many, calls }: Kind): void {
  const list = group
    .command("list")
    .description(`List the ${many} of the workspace, newest first`)
    .action(
      cli.run(async ({ client, print }) => {
        const all = await calls(await client()).list();
        if (print.json) for (const one of all) await print.value(one);
        else for (const line of table(all.map(rowOf))) await print.line(line);
        if (all.length === 0) print.hint(`No ${many}`);
        return exit.ok;
      }),
    );
  examples(list, `airlock ${command} list`);
}

function rowOf({ id, name, sizeBytes, fileCount, createdAt, description }: Row): string[] {
  const when = createdAt.slice(0, 19).replace("T", " ");
  const row = [id, plainLine(name), showBytes(sizeBytes), count(fileCount, "file"), when];
  return description ? [...row, plainLine(description)] : row;
}

function addGet(group: Command, cli: Cli, kind: Kind): void {
  const { command, sample, calls } = kind;
  const get = group
    .command("get <id>")
    .description("Show one with its files, or save them as a zip")
    .option("--out <file>", "save its files there, as a zip")
    .action(
      cli.run<{ out?: string }>(async (context, { out }, id) => {
        const { print } = context;
        const bundles = calls(await context.client());
        if (out === undefined) await show(context, await bundles.get(id));
        else {
          print.spinner.show("downloading");
          const saved = await bundles.download(id, { to: out });
          if (print.json) await print.value({ id, ...saved });
          else await print.line(`${plain(saved.path)}  ${showBytes(saved.bytes)}`);
        }
        return exit.ok;
      }),
    );
  examples(
    get,
    `airlock ${command} get ${sample}`,
    `airlock ${command} get ${sample} --out all.zip`,
  );
}

async function show({ print }: Context, found: Row & { files: BundleFile[] }): Promise<void> {
  if (print.json) return await print.value(found);
  const { id, name, description, contentHash, files } = found;
  await print.line(`${id}  ${plainLine(name)}`);
  if (description) await print.line(`  ${plainLine(description)}`);
  await print.line(`  ${print.color.dim(contentHash)}`);
  const rows = files.map(({ path, mode, size }) => [mode, showBytes(size), plainLine(path)]);
  for (const line of table(rows)) await print.line(`  ${line}`);
}

function addDelete(group: Command, cli: Cli, { command, sample, calls }: Kind): void {
  const remove = group
    .command("delete <id>")
    .description("Delete one: new runs cannot be given it, those that were keep it")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        await calls(await client()).delete(id);
        if (print.json) await print.value({ id, deleted: true });
        else print.note(`Deleted ${plainLine(id)}`);
        return exit.ok;
      }),
    );
  examples(remove, `airlock ${command} delete ${sample}`);
}
