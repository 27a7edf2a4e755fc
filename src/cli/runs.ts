import type { Command } from "commander";
import type { RunStatus } from "../contract/run.ts";
import { tellPending } from "./asked.ts";
import { type Cli, examples } from "./context.ts";
import { duration, statuses, whole } from "./option-values.ts";
import { plainLine } from "./plain.ts";
import { printRun } from "./run-summary.ts";
import { tellTasks } from "./tree.ts";
import { exitCodeOf, leftBehind, watchRun } from "./watch.ts";
import { shorten } from "./words.ts";

/** Commands on runs that are already there: `list`, `status`, `wait`, `cancel`, `stop`, `delete`. */
export function addRuns(program: Command, cli: Cli): void {
  addList(program, cli);
  const status = program
    .command("status <id>")
    .description("Show a run as it is now")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        const ref = (await client()).run(id);
        const run = await ref.get();
        await (print.json ? print.value(run) : printRun(print, run));
        if (!print.json && run.agent) await tellTasks(print, ref);
        if (run.status === "waiting") await tellPending(print, ref);
        return 0;
      }),
    );
  examples(status, "airlock status run_01kadz3v6m5c0jx9s2qf8t7w4b");
  addWait(program, cli);
  const cancel = program
    .command("cancel <id>")
    .description("Ask a run to end; its outputs are still captured")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        const run = await (await client()).cancelRun(id);
        await (print.json ? print.value(run) : printRun(print, run));
        return 0;
      }),
    );
  examples(cancel, "airlock cancel run_01kadz3v6m5c0jx9s2qf8t7w4b");
  addStop(program, cli);
  const remove = program
    .command("delete <id>")
    .description("Delete a run that has ended, with its events and outputs")
    .action(
      cli.run(async ({ client, print }, _options, id) => {
        await (await client()).deleteRun(id);
        if (print.json) await print.value({ runId: id, deleted: true });
        else print.note(`Deleted ${plainLine(id)}`);
        return 0;
      }),
    );
  examples(remove, "airlock delete run_01kadz3v6m5c0jx9s2qf8t7w4b");
}

function addStop(program: Command, cli: Cli): void {
  const stop = program
    .command("stop <id>")
    .description("Emergency stop: end a run and all that it started at once, and say why")
    .requiredOption("--reason <text>", "why; it is written into the journal")
    .action(
      cli.run<{ reason: string }>(async ({ client, print }, { reason }, id) => {
        const run = await (await client()).stopRun(id, { reason });
        await (print.json ? print.value(run) : printRun(print, run));
        return 0;
      }),
    );
  examples(
    stop,
    'airlock stop run_01kadz3v6m5c0jx9s2qf8t7w4b --reason "It deletes what it should read"',
  );
}

function addWait(program: Command, cli: Cli): void {
  const wait = program
    .command("wait <id>")
    .description("Wait until a run has ended; exit code 0 when it succeeded, 1 when not")
    .option("--timeout <duration>", "give up after, say, 90s or 10m (exit code 3)", duration)
    .action(
      cli.run<{ timeout?: number }>(async (context, { timeout }, id) => {
        const { print } = context;
        const run = (await context.client()).run(id);
        const { lastSeq, status } = await run.get();
        if (status === "waiting") await tellPending(print, run);
        print.spinner.show(`waiting for ${plainLine(id)}`);
        const ended = await watchRun(context, run, { since: lastSeq, timeoutMs: timeout });
        if (!ended) return leftBehind(context, id);
        await (print.json ? print.value(ended) : printRun(print, ended));
        return exitCodeOf(ended);
      }),
    );
  examples(wait, "airlock wait run_01kadz3v6m5c0jx9s2qf8t7w4b --timeout 10m");
}

function addList(program: Command, cli: Cli): void {
  const list = program
    .command("list")
    .description("List runs, newest first")
    .option("--status <status>", "only these, separated by commas", statuses)
    .option("--limit <n>", "at most so many", whole, 100)
    .action(
      cli.run<{ status?: RunStatus[]; limit: number }>(
        async ({ client, print }, { status, limit }) => {
          let shown = 0;
          if (limit === 0) return 0;
          for await (const run of (await client()).runs(status ? { status } : {})) {
            if (print.closed.aborted) break;
            if (print.json) await print.value(run);
            else {
              const prompt = shorten(plainLine(run.submission.prompt[0] ?? ""), 60);
              const state = run.status.padEnd(12);
              const when = print.color.dim(run.createdAt.slice(0, 19).replace("T", " "));
              await print.line(`${run.id}  ${state}  ${when}  ${prompt}`);
            }
            shown += 1;
            if (shown === limit) break;
          }
          if (shown === 0) print.hint("No runs");
          return 0;
        },
      ),
    );
  examples(list, "airlock list --status running,waiting", "airlock list --limit 1000 --json");
}
