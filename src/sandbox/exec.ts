import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Owner } from "../base/tree.ts";
import { Problem } from "../contract/problem.ts";
import { bwrapArgs } from "./bwrap-args.ts";
import { sandboxFailure } from "./bwrap-failure.ts";
import { openCapture } from "./capture.ts";
import type { Cgroups, Group } from "./cgroup.ts";
import type { HostLayout } from "./host-layout.ts";
import { type Identity, ownerOf } from "./identity.ts";
import type { OutputPipe, OutputPipes } from "./pipes.ts";
import { isAlive, killProcess, readStat, waitUntil } from "./processes.ts";
import type { ExecEnd, ExecLimits, ExecRequest, ExecResult, Place } from "./sandbox.ts";
import { type SpawnEnd, type SpawnedSandbox, seccompFd, spawnSandbox, statusFd } from "./spawn.ts";
import type { Toolchains } from "./toolchains.ts";
import { type DiskState, membersBelow, startWatchdog } from "./watchdog.ts";

/** What every command needs of the opened sandbox. */
export interface ExecHost {
  bwrap: string;
  layout: HostLayout;
  runtime: string;
  seccomp: Buffer;
  toolchains: Toolchains;
  identity: Identity;
  cgroups: Cgroups | null;
  pipes: OutputPipes;
  disk: Map<string, DiskState>;
  clock: Clock;
  log: Log;
}

type KillReason = Extract<ExecEnd, { type: "killed" }>["reason"];

const goneWithinMs = 60_000;
const initWithinMs = 1_000;

/**
 * Runs one command in a new sandbox. Resolves when its last process is gone, whatever the command
 * did; rejects with `sandbox_unavailable` when the sandbox itself could not be started.
 */
export async function execInSandbox(
  host: ExecHost,
  place: Place,
  request: ExecRequest,
): Promise<ExecResult> {
  refuseUnspeakable(request.command);
  const started = host.clock.monotonic();
  const empty = { kept: Buffer.alloc(0), tail: Buffer.alloc(0), totalBytes: 0 };
  if (request.signal.aborted) {
    const end: ExecEnd = { type: "killed", reason: "cancelled" };
    return { end, stdout: empty, stderr: empty, durationMs: 0 };
  }
  const { identity, pipes } = host;
  const owner = ownerOf(identity, place.uid);
  const group = await openGroup(host, request.limits);
  try {
    const io = { stdout: await pipes.take(owner), stderr: await pipes.take(owner) };
    try {
      const result = await runCommand({ host, place, request, group, owner, ...io });
      return { ...result, durationMs: Math.round(host.clock.monotonic() - started) };
    } finally {
      io.stdout.release();
      io.stderr.release();
    }
  } finally {
    await group?.remove();
  }
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

/** One command and what it was given. */
interface Command {
  host: ExecHost;
  place: Place;
  request: ExecRequest;
  group: Group | undefined;
  owner: Owner | undefined;
  stdout: OutputPipe;
  stderr: OutputPipe;
}

/** bwrap itself is two of the processes: the one outside that waits, and pid 1 inside. */
async function openGroup(host: ExecHost, limits: ExecLimits): Promise<Group | undefined> {
  const { memoryBytes, processes } = limits;
  return host.cgroups?.create({ memoryBytes, processes: processes + 2 });
}

async function startCommand(command: Command): Promise<SpawnedSandbox> {
  const { host, place, request, group, owner, stdout, stderr } = command;
  const { limits } = request;
  const { layout, runtime, toolchains } = host;
  const args = bwrapArgs({
    ...{ layout, runtime, place, seccompFd, statusFd },
    toolchains: toolchains.directories,
    toolchainBins: toolchains.bins,
  });
  const blocks = Math.max(1, Math.ceil(limits.diskBytes / 512));
  try {
    return await spawnSandbox({
      bwrap: host.bwrap,
      args,
      seccomp: host.seccomp,
      launch: [String(blocks), String(limits.processes), request.command],
      ...{ owner: owner ?? null, stdout, stderr },
      join: async (pid) => group?.join(pid),
    });
  } catch (error) {
    throw new Problem(
      "sandbox_unavailable",
      `Cannot start ${host.bwrap} as uid ${place.uid ?? process.getuid?.()}: ${String(error)}`,
      undefined,
      { cause: error },
    );
  }
}

async function runCommand(command: Command): Promise<Omit<ExecResult, "durationMs">> {
  const { host, place, request, group } = command;
  const { limits, onOutput } = request;
  const spawned = await startCommand(command);
  const tree = followTree(spawned, group, host.clock);
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
    });
    command[stream].reader.on("data", opened.add);
    return opened;
  };
  const stdout = capture("stdout");
  const stderr = capture("stderr");
  const watchdog = startWatchdog({
    ...{ place, kill, disk: host.disk, clock: host.clock, log: host.log },
    diskBytes: limits.diskBytes,
    memoryBytes: group === undefined ? limits.memoryBytes : null,
    members: () => group?.members() ?? membersBelow(tree.init()),
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
    return { end: endOf(ended, reason, group, said.stderr.kept), ...said };
  } finally {
    over.abort();
    request.signal.removeEventListener("abort", onAbort);
    tree.kill();
    await watchdog.stop();
    await tree.gone();
  }
}

/** Follows the processes of one sandbox to their end. */
function followTree(spawned: SpawnedSandbox, group: Group | undefined, clock: Clock) {
  let init: { pid: number; startTime: string } | undefined;
  let isKnown = false;
  const known = spawned.init.then((pid) => {
    isKnown = true;
    const stat = pid === undefined ? undefined : readStat(pid);
    if (stat !== undefined) init = { pid: stat.pid, startTime: stat.startTime };
  });
  const isInitAlive = () => init !== undefined && isAlive(init.pid, init.startTime);

  function killAll(): void {
    if (init !== undefined && isInitAlive()) killProcess(init.pid);
    spawned.bwrap.kill("SIGKILL");
    group?.kill();
  }
  // When bwrap ends, its command has: what is left in the background dies now, and with it the
  // pipes it holds.
  spawned.bwrap.once("exit", killAll);
  return {
    init: () => init?.pid,
    /**
     * A bwrap that is killed between making its child and telling us would leave the child waiting
     * for ever, so its word is waited for first, which takes milliseconds.
     */
    kill(): void {
      if (isKnown) killAll();
      else void Promise.race([known, clock.sleep(initWithinMs)]).then(killAll);
    },
    async gone(): Promise<void> {
      await known;
      const isGone = () => {
        if (isInitAlive()) killAll();
        return !isInitAlive();
      };
      if (await waitUntil(isGone, goneWithinMs, clock)) return;
      throw new Error(
        `Process ${init?.pid} of a sandbox is alive ${goneWithinMs} ms after SIGKILL`,
      );
    },
  };
}

function endOf(
  ended: SpawnEnd,
  reason: KillReason | undefined,
  group: Group | undefined,
  stderr: Buffer,
): ExecEnd {
  if (reason !== undefined) return { type: "killed", reason };
  const { exitCode } = ended;
  if (exitCode === 0 && ended.launched) return { type: "exited", exitCode };
  // A command that went on after one of its processes was killed ends as it says; one that failed
  // ends for this.
  if (group !== undefined && group.memoryKills() > 0) {
    return { type: "killed", reason: "memory_limit" };
  }
  if (exitCode !== undefined && ended.launched) return { type: "exited", exitCode };
  // Somebody outside killed the sandbox under the command: the same as killing the command.
  if (ended.launched) return { type: "exited", exitCode: 137 };
  const ending =
    exitCode === undefined
      ? `bwrap ended with ${ended.signal ?? `exit code ${ended.code}`}`
      : `the launcher ended with exit code ${exitCode}`;
  throw sandboxFailure(stderr.toString("utf8"), ending);
}
