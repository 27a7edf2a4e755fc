import { randomUUID } from "node:crypto";
import { access, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { bundlePathProblem } from "../contract/bundle.ts";
import type { Output } from "../contract/output.ts";
import { type RunRef, selectOutput } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, usage } from "./exit.ts";
import { oneOf } from "./option-values.ts";
import { plain } from "./plain.ts";
import { transferProgress } from "./progress.ts";
import { count, showBytes } from "./words.ts";

const parts = ["outputs", "events", "metadata"] as const;

interface Options {
  out?: string;
  output?: string;
  only?: (typeof parts)[number];
}

/** What was saved. */
interface Saved {
  path: string;
  bytes: number;
  /** Of what is more than one. */
  files?: number;
}

/** `download`: everything of a run as one zip, or a part of it. */
export function addDownload(program: Command, cli: Cli): void {
  const download = program
    .command("download <id>")
    .description("Save everything of a run as a zip, or a part of it")
    .option("--out <file>", "where to; default airlock-<id>.zip, or the output's own name")
    .option("--output <path|id>", "only this output: its id, its path, or the end of its path")
    .option(
      "--only <part>",
      "outputs (into the directory --out), events (as NDJSON) or metadata (the run as JSON)",
      oneOf(parts),
    )
    .action(cli.run<Options>(save));
  examples(
    download,
    "airlock download run_01kadz3v6m5c0jx9s2qf8t7w4b --out result.zip",
    "airlock download run_01kadz3v6m5c0jx9s2qf8t7w4b --output report.csv",
    "airlock download run_01kadz3v6m5c0jx9s2qf8t7w4b --only outputs --out results",
  );
}

async function save(context: Context, options: Options, id: string): Promise<number> {
  const { print } = context;
  const { only, output } = options;
  if (only !== undefined && output !== undefined)
    throw usage("Give only one of --only and --output");
  const run = (await context.client()).run(id);
  const saved = await savePart(run, options, transferProgress(print, "downloading"));
  if (print.json) await print.value({ runId: id, ...(only ? { part: only } : {}), ...saved });
  else {
    const many = saved.files === undefined ? "" : `${count(saved.files, "file")}, `;
    await print.line(`${plain(saved.path)}  ${many}${showBytes(saved.bytes)}`);
  }
  return 0;
}

type Progress = (bytes: number) => void;

async function savePart(
  run: RunRef,
  { out, output, only }: Options,
  onProgress: Progress,
): Promise<Saved> {
  if (output !== undefined) return await saveOutput(run, output, out, onProgress);
  if (only === "outputs") return await saveOutputs(run, out ?? `airlock-${run.id}`, onProgress);
  if (only === "events") {
    return await saveText(out ?? `airlock-${run.id}.events.jsonl`, linesOf(run));
  }
  if (only === "metadata") {
    const text = `${JSON.stringify(await run.get(), undefined, 2)}\n`;
    return await saveText(out ?? `airlock-${run.id}.run.json`, [text]);
  }
  return await run.download({ to: out ?? `airlock-${run.id}.zip`, onProgress });
}

async function* linesOf(run: RunRef): AsyncGenerator<string> {
  for await (const event of run.events()) yield `${JSON.stringify(event)}\n`;
}

/**
 * Piece by piece: a long run has more events than fit into memory. Put in its place whole, as what the client saves: a
 * gateway that is not there must not cost the file of before. A pipe or a device is written to as it is.
 */
async function saveText(
  path: string,
  pieces: AsyncIterable<string> | Iterable<string>,
): Promise<Saved> {
  const found = await stat(path).catch(() => undefined);
  const isSpecial = found !== undefined && !found.isFile();
  const target = isSpecial ? path : join(dirname(path), `.${randomUUID()}.part`);
  try {
    const bytes = await writeText(target, isSpecial ? "w" : "wx", pieces);
    if (!isSpecial) await rename(target, path);
    return { path, bytes };
  } catch (error) {
    if (!isSpecial) await rm(target, { force: true });
    if (!(error instanceof Error && "syscall" in error)) throw error;
    const message = `Cannot write ${JSON.stringify(path)}: ${error.message}`;
    throw new CliError("file_unwritable", message);
  }
}

async function writeText(
  target: string,
  flags: "w" | "wx",
  pieces: AsyncIterable<string> | Iterable<string>,
): Promise<number> {
  const file = await open(target, flags);
  let bytes = 0;
  try {
    for await (const piece of pieces) {
      await file.writeFile(piece);
      bytes += Buffer.byteLength(piece);
    }
    return bytes;
  } finally {
    await file.close();
  }
}

async function saveOutput(
  run: RunRef,
  wanted: string,
  out: string | undefined,
  onProgress: Progress,
): Promise<Saved> {
  const output = find(await run.outputs(), wanted);
  const to = out ?? basename(output.name);
  // The name was chosen by the run: it must not replace a file that the person did not name.
  if (out === undefined) await refuseThere(to);
  return await run.downloadOutput({ id: output.id }, { to, onProgress });
}

/** Every output below one directory, and nothing outside of it, whatever the names say. Replaces no file. */
async function saveOutputs(run: RunRef, directory: string, onProgress: Progress): Promise<Saved> {
  const outputs = await run.outputs();
  for (const { name } of outputs) {
    const problem = bundlePathProblem(name);
    if (problem === undefined) await refuseThere(join(directory, name));
    else throw new CliError("unsafe_name", `The output ${JSON.stringify(name)} ${problem}`);
  }
  await mkdir(directory, { recursive: true });
  let bytes = 0;
  for (const { id, name } of outputs) {
    const to = join(directory, name);
    await mkdir(dirname(to), { recursive: true });
    const before = bytes;
    const told = { to, onProgress: (more: number) => onProgress(before + more) };
    bytes += (await run.downloadOutput({ id }, told)).bytes;
  }
  return { path: directory, bytes, files: outputs.length };
}

/** By id, else by the whole path, else by the end of the path. */
function find(outputs: Output[], wanted: string): Output {
  const byId = outputs.find((output) => output.id === wanted);
  if (byId) return byId;
  const whole = outputs.filter((output) => output.path === wanted);
  return selectOutput(whole.length > 0 ? whole : outputs, { path: wanted, match: "suffix" });
}

async function refuseThere(path: string): Promise<void> {
  const found = await access(path).then(
    () => true,
    () => false,
  );
  if (found)
    throw new CliError("file_exists", `There is already a file ${path}`, "Name another with --out");
}
