import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import { sandboxFailure } from "./bwrap-failure.ts";
import { openCapture } from "./capture.ts";
import type { Group } from "./cgroup.ts";
import { type ExecHost, type OpenedSandbox, openOne } from "./open-one.ts";
import {
  bareSurroundings,
  type ExecEnd,
  type ExecRequest,
  type ExecResult,
  type Place,
  type Surroundings,
} from "./sandbox.ts";
import { refuseSecrets } from "./secret-variables.ts";
import type { Spares } from "./spares.ts";
import type { SpawnEnd } from "./spawn.ts";
import { startWatchdog } from "./watchdog.ts";

type KillReason = Extract<ExecEnd, { type: "killed" }>["reason"];
type Outcome = Omit<ExecResult, "durationMs">;

/**
 * Runs one command in a sandbox of its own: the run's spare when there is a fitting one, else a new
 * one. Resolves when its last process is gone, whatever the command did; rejects with
 * `sandbox_unavailable` when the sandbox itself could not be started, and with `too_many_requests`
 * when too many starts are waiting already.
 */
export async function execInSandbox(
  host: ExecHost,
  place: Place,
  request: ExecRequest,
  spares?: Spares,
): Promise<ExecResult> {
  refuseUnspeakable(request.command);
  refuseSecrets(request.secrets ?? {}, surroundingsOf(request));
  const started = host.clock.monotonic();
  const outcome =
    (await runInSpare(host, place, request, spares)) ?? (await runInNew(host, place, request));
  return { ...outcome, durationMs: Math.round(host.clock.monotonic() - started) };
}

/** Undefined when there is no spare, or it died before the command began: then nothing has run. */
async function runInSpare(
  host: ExecHost,
  place: Place,
  request: ExecRequest,
  spares: Spares | undefined,
): Promise<Outcome | undefined> {
  if (spares === undefined || request.signal.aborted) return undefined;
  const spare = await spares.claim(place, request.limits, surroundingsOf(request));
  if (spare === undefined) return undefined;
  const { outcome } = await runCommand(host, spare, request);
  if (outcome === undefined) host.log.warn({ run_id: place.runId }, "sandbox.spare_died");
  return outcome;
}

async function runInNew(host: ExecHost, place: Place, request: ExecRequest): Promise<Outcome> {
  const { signal } = request;
  const startDone = await host.starts.take(place.runId, signal).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  if (startDone === undefined) return cancelledEarly();
  const sandbox = await openOne(host, place, request.limits, surroundingsOf(request), startDone);
  const { outcome, failure } = await runCommand(host, sandbox, request);
  if (outcome === undefined) throw failure;
  return outcome;
}

export function surroundingsOf({ surroundings }: ExecRequest): Surroundings {
  return surroundings ?? bareSurroundings;
}

function cancelledEarly(): Outcome {
  const empty = { kept: Buffer.alloc(0), tail: Buffer.alloc(0), totalBytes: 0 };
  return { end: { type: "killed", reason: "cancelled" }, stdout: empty, stderr: empty };
}

/** The kernel takes a command as one argument, which ends at a NUL and has a largest size. */
function refuseUnspeakable(command: string): void {
  const bytes = Buffer.byteLength(command);
  if (bytes <= limits.commandBytes && !command.includes("\0")) return;
  throw new Problem(
    "invalid_request",
    `Cannot run a command of ${bytes} bytes: expected at most ${limits.commandBytes}, without NUL`,
  );
}

/** Hands the command to a sandbox and follows it to its end, which is the end of the sandbox. */
async function runCommand(
  host: ExecHost,
  sandbox: OpenedSandbox,
  request: ExecRequest,
): Promise<{ outcome: Outcome; failure?: never } | { outcome?: never; failure: Problem }> {
  const { spawned, tree, group, place } = sandbox;
  const { limits, onOutput } = request;
  // Before anything else: it runs while we prepare to listen, and what it says waits in its pipes.
  if (!request.signal.aborted) spawned.hand(request.command, request.secrets);
  let reason: KillReason | undefined;
  const kill = (why: KillReason) => {
    reason ??= why;
    tree.kill();
  };
  const capture = (stream: "stdout" | "stderr") => {
    const opened = openCapture({
      keptBytes: limits.outputKeptBytes,
      killedBytes: limits.outputKilledBytes,
      onFlood: () => kill("output_limit"),
      onText: onOutput && ((offset, text) => onOutput(stream, offset, text)),
      cleaner: request.cleaner,
    });
    sandbox[stream].listen(opened.add);
    return opened;
  };
  const stdout = capture("stdout");
  const stderr = capture("stderr");
  const below = () => {
    const init = tree.init();
    return init === undefined ? [] : host.processes.below(init);
  };
  const watchdog = startWatchdog({
    ...{ place, kill, bwrap: host.bwrap, disk: host.disk, clock: host.clock, log: host.log },
    diskBytes: limits.diskBytes,
    memoryBytes: group === undefined ? limits.memoryBytes : null,
    members: () => group?.members() ?? below().map(({ pid }) => pid),
    tree: below,
  });
  const over = new AbortController();
  host.clock.sleep(limits.timeoutMs, over.signal).then(
    () => kill("timeout"),
    // The command was faster than its timeout.
    () => undefined,
  );
  const onAbort = () => kill("cancelled");
  request.signal.addEventListener("abort", onAbort, { once: true });
  if (request.signal.aborted) onAbort();
  try {
    const ended = await spawned.ended;
    await tree.gone();
    await watchdog.stop();
    const said = { stdout: stdout.finish(), stderr: stderr.finish() };
    if (reason === undefined && (await watchdog.isOverDisk())) reason = "disk_limit";
    const end = endOf(ended, reason, group);
    if (end !== undefined) return { outcome: { end, ...said } };
    return { failure: failureOf(ended, said.stderr.kept) };
  } finally {
    over.abort();
    request.signal.removeEventListener("abort", onAbort);
    tree.kill();
    await watchdog.stop();
    await sandbox.close();
  }
}

/** Undefined when the command never began. */
function endOf(
  ended: SpawnEnd,
  reason: KillReason | undefined,
  group: Group | undefined,
): ExecEnd | undefined {
  if (reason !== undefined) return { type: "killed", reason };
  const { exitCode, launched } = ended;
  if (exitCode === 0 && launched) return { type: "exited", exitCode };
  // A command that went on after one of its processes was killed ends as it says; one that failed
  // ends for this.
  if (group !== undefined && group.memoryKills() > 0) {
    return { type: "killed", reason: "memory_limit" };
  }
  if (!launched) return undefined;
  if (group !== undefined && group.processRefusals() > 0) {
    return { type: "killed", reason: "process_limit" };
  }
  // Somebody outside killed the sandbox under the command: the same as killing the command.
  return { type: "exited", exitCode: exitCode ?? 137 };
}

function failureOf({ exitCode, code }: SpawnEnd, stderr: Buffer): Problem {
  const ending =
    exitCode === undefined
      ? `bwrap ended with ${code === null ? "no exit code" : `exit code ${code}`}`
      : `the launcher ended with exit code ${exitCode}`;
  return sandboxFailure(stderr.toString("utf8"), ending);
}
