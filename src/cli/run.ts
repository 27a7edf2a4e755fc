import type { Command } from "commander";
import type { RunRef } from "../sdk/sdk.ts";
import { isThere } from "./bundle-flags.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { CliError, usage } from "./exit.ts";
import { duration } from "./option-values.ts";
import { plain } from "./plain.ts";
import { openValueReader } from "./read-value.ts";
import { isConfigPath } from "./run-config.ts";
import { addRunFlags } from "./run-flags.ts";
import { type RunFlags, readRunOptions } from "./run-options.ts";
import { printRun } from "./run-summary.ts";
import { openView } from "./view.ts";
import { exitCodeOf, leftBehind, watchRun } from "./watch.ts";
import { count, showBytes } from "./words.ts";

interface Options extends RunFlags {
  follow?: boolean;
  timeout?: number;
  download?: string;
}

/** `airlock run`: submit, and watch when asked to. */
export function addRun(program: Command, cli: Cli): void {
  const command = program
    .command("run [message-or-template]")
    .description("Submit a run; print its id, or watch it to its end");
  addRunFlags(command);
  command
    .optionsGroup("Watching it:")
    .option("--follow", "show what happens until the run has ended")
    .option("--timeout <duration>", "stop watching after, say, 90s or 10m (exit code 3)", duration)
    .option("--download <path>", "wait for the end and save everything as a zip")
    .action(cli.run<Options>(submit));
  examples(
    command,
    'airlock run --model gpt-5 --prompt "Chart a.csv" --file a.csv --output-dir /workspace --follow',
    'airlock run --agent coder.default "Write a test for a.py" --file a.py --follow',
    "airlock run ./template.json --prompt @june.md --download result.zip",
    "airlock run --config run.yaml --proxy-endpoint @stripe.json --proxy-auth stripe=secret:STRIPE_KEY",
  );
}

async function submit(context: Context, options: Options, said?: string): Promise<number> {
  const { io, print } = context;
  const flags = await withSaid(options, said);
  print.spinner.show("submitting");
  const submission = await readRunOptions(flags, openValueReader(io.stdin), io.env);
  const client = await context.client();
  const run = await client.submitRun(submission);
  const watched = options.follow || options.timeout !== undefined || options.download !== undefined;
  if (!watched) {
    if (print.json) await print.value(await run.get());
    else await print.line(run.id);
    print.hint(`Watch it with \`airlock events ${run.id} --follow\``);
    return 0;
  }
  return await follow(context, run, options);
}

/** What stands without a flag: a template by the name of its file, or what to do. */
async function withSaid(options: Options, said: string | undefined): Promise<Options> {
  if (said === undefined) return options;
  if (!isConfigPath(said)) return { ...options, message: said };
  const remedy = `If ${said} is what to do, say it with --prompt`;
  if (options.config !== undefined) {
    throw usage(`Give only one of --config and a template, got ${said} too`, remedy);
  }
  if (await isThere(said)) return { ...options, config: said };
  throw new CliError("file_unreadable", `There is no template ${said}`, remedy);
}

async function follow(context: Context, run: RunRef, options: Options): Promise<number> {
  const { print } = context;
  const view = openView(print, { live: true });
  print.note(print.color.dim(run.id));
  if (!options.follow) print.spinner.show(`${run.id} is running`);
  const ended = await watchRun(context, run, {
    live: options.follow === true && print.interactive,
    timeoutMs: options.timeout,
    shown: options.follow === true,
    onEvent: async (event) => {
      if (!options.follow) return;
      if (print.json) await print.value(event);
      else await view.show(event);
    },
  });
  if (!ended) return leftBehind(context, run.id);
  if (print.json) await print.value(options.follow ? { run: ended } : ended);
  else if (!options.follow) await printRun(print, ended);
  if (options.download !== undefined) await save(context, run, options.download);
  else await tellOutputs(context, run);
  return exitCodeOf(ended);
}

async function save({ print }: Context, run: RunRef, to: string): Promise<void> {
  const { path, bytes } = await run.download({ to });
  print.note(`Saved everything to ${plain(path)} (${showBytes(bytes)})`);
}

async function tellOutputs({ print }: Context, run: RunRef): Promise<void> {
  if (print.json) return;
  const outputs = await run.outputs();
  if (outputs.length === 0) return;
  print.note(
    `${count(outputs.length, "output")}: \`airlock download ${run.id}\` fetches everything`,
  );
}
