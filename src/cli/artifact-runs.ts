import type { Command } from "commander";
import { isEvent, type LiveEvent, type Run, type RunEvent, type RunRef } from "../sdk/sdk.ts";
import { type Cli, type Context, examples } from "./context.ts";
import { exit } from "./exit.ts";
import { collect, duration } from "./option-values.ts";
import { plain } from "./plain.ts";
import { openProgramOutput } from "./program-output.ts";
import { showProof } from "./proofs.ts";
import { readLimits } from "./run-options.ts";
import { exitCodeOf, leftBehind, watchRun } from "./watch.ts";

interface RunFlags {
  limit?: string[];
  timeout?: number;
  idempotencyKey?: string;
}

/** `artifacts exec` and `artifacts prove`: runs without a model, watched to their end. */
export function addArtifactRuns(artifacts: Command, cli: Cli, sample: string): void {
  const exec = artifacts
    .command("exec <artifact> <entrypoint> [args...]")
    .description("Start a program of an artifact without network; exit with its exit code");
  runOptions(exec).action(cli.run<RunFlags>(execArtifact));
  examples(exec, `airlock artifacts exec ${sample} main.py -- --verbose input.csv`);
  const prove = artifacts
    .command("prove <artifact> [entrypoint] [args...]")
    .description("Run an artifact without network, and keep how it ended as evidence")
    .option("--command <command>", "a shell command, in place of an entrypoint");
  runOptions(prove).action(cli.run<RunFlags & { command?: string }>(proveArtifact));
  examples(
    prove,
    `airlock artifacts prove ${sample}`,
    `airlock artifacts prove ${sample} --command "python3 -m pytest -q"`,
  );
}

function runOptions(command: Command): Command {
  return command
    .option("--limit <name=value>", "a limit of the run, as memoryBytes=536870912", collect)
    .option("--timeout <duration>", "stop watching after, say, 90s or 10m (exit code 3)", duration)
    .option("--idempotency-key <key>", "the same key and the same request are started once");
}

async function execArtifact(
  context: Context,
  flags: RunFlags,
  ref: string,
  entrypoint: string,
  ...args: string[]
): Promise<number> {
  const { artifacts } = await context.client();
  const run = await artifacts.exec(ref, { entrypoint, args, ...bodyOf(flags) });
  const watched = await watch(context, run, flags);
  if (watched.run === undefined) return leftBehind(context, run.id);
  if (watched.exitCode === undefined) sayWhy(context, watched.run);
  return watched.exitCode ?? exitCodeOf(watched.run);
}

async function proveArtifact(
  context: Context,
  flags: RunFlags & { command?: string },
  ref: string,
  entrypoint: string | undefined,
  ...args: string[]
): Promise<number> {
  const { command } = flags;
  const { artifacts } = await context.client();
  const run = await artifacts.prove(ref, {
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(command === undefined ? {} : { command }),
    ...(args.length === 0 ? {} : { args }),
    ...bodyOf(flags),
  });
  const watched = await watch(context, run, flags);
  if (watched.run === undefined) return leftBehind(context, run.id);
  // What is kept, as everybody will read it, and by the id: a ref may be revoked meanwhile.
  const { artifactId } = watched;
  const kept = artifactId === undefined ? [] : (await artifacts.get(artifactId)).proofs;
  const proof = kept.find(({ runId }) => runId === run.id);
  if (artifactId === undefined || proof === undefined) {
    sayWhy(context, watched.run);
    context.print.note("Nothing was proved: the program was not run to its end");
    return exit.failed;
  }
  if (proof.exitCode === null) sayWhy(context, watched.run);
  if (context.print.json) await context.print.value({ proof });
  else await showProof(context.print, artifactId, proof);
  return proof.passed ? exit.ok : exit.failed;
}

/** The program did not end by itself. */
function sayWhy({ print }: Context, { status, stop_reason, message }: Run): void {
  const why = message ?? `The run ended as ${status} (${stop_reason})`;
  print.note(`${print.color.red("airlock:")} ${plain(why)}`);
}

function bodyOf({ limit, idempotencyKey }: RunFlags) {
  return {
    ...(limit === undefined ? {} : { limits: readLimits(limit) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}

interface Watched {
  /** Undefined when the person left. */
  run: Run | undefined;
  /** Of the program; undefined when it did not end by itself. */
  exitCode?: number;
  /** Of which something was proved. */
  artifactId?: string;
}

/** Shows what the program writes, and keeps what came of it. */
async function watch(context: Context, ref: RunRef, flags: RunFlags): Promise<Watched> {
  const { print, io } = context;
  const output = openProgramOutput(print, io);
  const kept: Omit<Watched, "run"> = {};
  const keep = (event: RunEvent | LiveEvent) => {
    if (!("seq" in event)) return;
    if (isEvent(event, "artifact.proved")) kept.artifactId = event.data.artifact_id;
    if (!isEvent(event, "call.finished")) return;
    const { exit_code: code } = (event.data.result ?? {}) as { exit_code?: unknown };
    if (typeof code === "number") kept.exitCode = code;
  };
  print.note(print.color.dim(ref.id));
  const run = await watchRun(context, ref, {
    live: !print.json,
    timeoutMs: flags.timeout,
    onEvent: async (event) => {
      keep(event);
      await (print.json ? print.value(event) : output.show(event));
    },
  });
  if (run && print.json) await print.value({ run });
  return { run, ...kept };
}
