import type { Command } from "commander";
import type { LiveEvent, RunEvent } from "../contract/event.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { whole } from "./option-values.ts";
import { plainJson, plainLine } from "./plain.ts";
import { printRun } from "./run-summary.ts";
import { openView } from "./view.ts";
import { leftBehind, watchRun } from "./watch.ts";
import { shorten } from "./words.ts";

/** `events` and `show`: a run's journal, raw and readable. */
export function addEvents(program: Command, cli: Cli): void {
  const events = program
    .command("events <id>")
    .description("Print a run's events: one line each, or NDJSON with --json")
    .option("--follow", "go on until the run has ended")
    .option("--since <seq>", "only events after this number", whole, 0)
    .action(cli.run<{ follow?: boolean; since: number }>(printEvents));
  examples(
    events,
    "airlock events run_01kadz3v6m5c0jx9s2qf8t7w4b --follow",
    "airlock events run_01kadz3v6m5c0jx9s2qf8t7w4b --json | jq .type",
  );
  const show = program
    .command("show <id>")
    .description("Print what happened in a run as people read it; results are shortened")
    .option("--turns", "only what the model said")
    .action(cli.run<{ turns?: boolean }>(showRun));
  examples(show, "airlock show run_01kadz3v6m5c0jx9s2qf8t7w4b");
}

async function printEvents(
  context: Context,
  options: { follow?: boolean; since: number },
  id: string,
): Promise<number> {
  const { print } = context;
  const run = (await context.client()).run(id);
  const { since } = options;
  const onEvent = (event: RunEvent | LiveEvent) =>
    print.json ? print.value(event) : print.line(oneLine(event as RunEvent));
  if (!options.follow) {
    for await (const event of run.events({ since })) {
      if (print.closed.aborted) break;
      await onEvent(event);
    }
    return 0;
  }
  // Asked once before it is followed: a wrong address or id is an error now, not a connection to
  // wait for.
  await run.get();
  const ended = await watchRun(context, run, { since, shown: true, onEvent });
  return ended ? 0 : leftBehind(context, id);
}

function oneLine(event: RunEvent): string {
  const data = shorten(plainLine(plainJson(event.data)), 160);
  const number = String(event.seq).padStart(5);
  return `${number}  ${plainLine(event.time)}  ${plainLine(event.type)}  ${data}`;
}

async function showRun(
  context: Context,
  options: { turns?: boolean },
  id: string,
): Promise<number> {
  const { print } = context;
  const ref = (await context.client()).run(id);
  const run = await ref.get();
  const view = openView(print, { turnsOnly: options.turns === true });
  if (!print.json) {
    await printRun(print, { ...run, reply: null, message: null });
    await print.line("");
  }
  for await (const event of ref.events()) {
    if (print.closed.aborted) break;
    await (print.json ? print.value(event) : view.show(event));
  }
  print.spinner.clear();
  if (print.json) await print.value({ run });
  return 0;
}
