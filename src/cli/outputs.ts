import { access } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import type { Output } from "../contract/output.ts";
import { selectOutput } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError } from "./exit.ts";
import { plain, plainLine } from "./plain.ts";
import { showBytes, table } from "./words.ts";

/** `outputs` and `download`: what a run hands back. */
export function addOutputs(program: Command, cli: Cli): void {
  const outputs = program
    .command("outputs <id>")
    .description("List the files that a run hands back")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        const found = await (await client()).outputs(id);
        if (print.json) {
          for (const output of found) await print.value(output);
          return 0;
        }
        const rows = found.map((output) => [
          output.id,
          showBytes(output.bytes),
          plainLine(output.path),
        ]);
        for (const line of table(rows)) await print.line(line);
        if (found.length === 0) print.hint("No outputs");
        return 0;
      }),
    );
  examples(outputs, "airlock outputs run_01kadz3v6m5c0jx9s2qf8t7w4b");
  const download = program
    .command("download <id>")
    .description("Save everything of a run as a zip, or one of its outputs")
    .option("--out <file>", "where to; default airlock-<id>.zip, or the output's own name")
    .option("--output <path|id>", "only this output: its id, its path, or the end of its path")
    .action(cli.run<{ out?: string; output?: string }>(save));
  examples(
    download,
    "airlock download run_01kadz3v6m5c0jx9s2qf8t7w4b --out result.zip",
    "airlock download run_01kadz3v6m5c0jx9s2qf8t7w4b --output report.csv",
  );
}

async function save(
  context: Context,
  options: { out?: string; output?: string },
  id: string,
): Promise<number> {
  const { print } = context;
  const run = (await context.client()).run(id);
  print.spinner.show("downloading");
  const saved =
    options.output === undefined
      ? await run.download({ to: options.out ?? `airlock-${id}.zip` })
      : await saveOutput(options.output);
  if (print.json) await print.value({ runId: id, ...saved });
  else await print.line(`${plain(saved.path)}  ${showBytes(saved.bytes)}`);
  return 0;

  async function saveOutput(wanted: string) {
    const output = find(await run.outputs(), wanted);
    const to = options.out ?? basename(output.name);
    // The name was chosen by the run: it must not replace a file that the person did not name.
    if (options.out === undefined && (await exists(to))) {
      throw new CliError("file_exists", `There is already a file ${to}`, "Name a file with --out");
    }
    return await run.downloadOutput({ id: output.id }, { to });
  }
}

/** By id, else by the whole path, else by the end of the path. */
function find(outputs: Output[], wanted: string): Output {
  const byId = outputs.find((output) => output.id === wanted);
  if (byId) return byId;
  const whole = outputs.filter((output) => output.path === wanted);
  return selectOutput(whole.length > 0 ? whole : outputs, { path: wanted, match: "suffix" });
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
