import type { Command } from "commander";
import type { LiveEvent, RunEvent } from "../contract/event.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { usage } from "./exit.ts";
import { duration, whole } from "./option-values.ts";
import { plainJson, plainLine } from "./plain.ts";
import type { Printer } from "./print.ts";
import { printRun } from "./run-summary.ts";
import { openView } from "./view.ts";
import { leftBehind, watchRun } from "./watch.ts";
import { shorten } from "./words.ts";

interface EventsOptions {
  follow?: boolean;
  since: number;
  timeout?: number;
}

/** `events` and `show`: a run's journal, raw and readable. */
export function addEvents(program: Command, cli: Cli): void {
  const events = program
    .command("events <id>")
    .description("Print a run's events: a table at a terminal, NDJSON when piped or with --json")
    .option("--follow", "go on until the run has ended")
    .option("--since <seq>", "only events after this number", whole, 0)
    .option("--timeout <duration>", "stop following after, say, 90s (exit code 3)", duration)
    .action(cli.run<EventsOptions>(printEvents));
  examples(
    events,
    "airlock events run_01kadz3v6m5c0jx9s2qf8t7w4b --follow",
    "airlock events run_01kadz3v6m5c0jx9s2qf8t7w4b | jq -r .type",
  );
  const show = program
    .command("show <id>")
    .description("Print what happened in a run as people read it; results are shortened")
    .option("--turns", "only what the model said")
    .action(cli.run<{ turns?: boolean }>(showRun));
  examples(show, "airlock show run_01kadz3v6m5c0jx9s2qf8t7w4b");
}

async function printEvents(context: Context, options: EventsOptions, id: string): Promise<number> {
  const { io, print } = context;
  const run = (await context.client()).run(id);
  const { since, timeout } = options;
  const columns = io.stdout.columns || 120;
  if (timeout !== undefined && !options.follow) throw usage("--timeout goes with --follow");
  const onEvent = (event: RunEvent | LiveEvent) =>
    print.forPrograms
      ? print.value(event)
      : print.line(oneLine(event as RunEvent, columns, print.color));
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
  const ended = await watchRun(context, run, {
    ...{ since, shown: true, onEvent },
    timeoutMs: timeout,
  });
  return ended ? 0 : leftBehind(context, id);
}

/** As wide as the screen: what is more is in the JSON. */
function oneLine({ seq, time, type, data }: RunEvent, columns: number, color: Printer["color"]) {
  const head = [String(seq).padStart(5), plainLine(time).slice(11, 19), plainLine(type).padEnd(20)];
  const room = Math.max(20, columns - head.join("  ").length - 2);
  const [number, clock, name] = head;
  return `${number}  ${color.dim(clock ?? "")}  ${name}  ${color.dim(shorten(plainLine(plainJson(data)), room))}`;
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
