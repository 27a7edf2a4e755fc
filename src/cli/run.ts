import type { Command } from "commander";
import { providers } from "../contract/submission.ts";
import type { RunRef } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { collect, duration } from "./option-values.ts";
import { plain } from "./plain.ts";
import { openValueReader } from "./read-value.ts";
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
    .command("run")
    .description("Submit a run; print its id, or watch it to its end")
    .option("--model <id>", "the model, as provider/model or a bare claude-…, gpt-… or gemini-…")
    .option("--prompt <text>", "what to do; again for a list (@FILE reads, - is stdin)", collect)
    .option("--system <text>", "the system prompt (@FILE reads, @@x is the text @x)")
    .option("--agent <file>", "an inline agent: a JSON file")
    .option("--file <path[=dest]>", "an input, placed at /workspace/DEST; may be repeated", collect)
    .option("--output-dir <dir>", "a directory to hand back; may be repeated", collect)
    .option("--metadata <k=v>", "kept with the run; may be repeated", collect)
    .option("--limit <name=value>", "a limit of the run, as turns=20; may be repeated", collect)
    .option("--fallback-model <id>", "the model to use when the first cannot answer")
    .option("--idempotency-key <key>", "the same key and the same run are submitted once")
    .option("--config <file>", "all of the above as a JSON file; flags win over it")
    .option("--api-key-env <provider=var>", "the run's own key, from a variable", collect);
  for (const provider of providers) {
    command.option(
      `--${provider}-api-key <key>`,
      `the run's own key for ${provider}: @FILE or -, so that it is not seen in ps`,
    );
  }
  command
    .option("--follow", "show what happens until the run has ended")
    .option("--timeout <duration>", "stop watching after, say, 90s or 10m (exit code 3)", duration)
    .option("--download <path>", "wait for the end and save everything as a zip")
    .action(cli.run<Options>(submit));
  examples(
    command,
    'airlock run --model gpt-5 --prompt "Chart a.csv" --file a.csv --output-dir /workspace --follow',
    "airlock run --config run.json --download result.zip",
  );
}

async function submit(context: Context, options: Options): Promise<number> {
  const { io, print } = context;
  const submission = await readRunOptions(options, openValueReader(io.stdin), io.env);
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
