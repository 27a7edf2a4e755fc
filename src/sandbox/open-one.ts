import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { bwrapArgs, egressDirectory } from "./bwrap-args.ts";
import type { Cgroups, Group, GroupLimits } from "./cgroup.ts";
import type { HostLayout } from "./host-layout.ts";
import { type Identity, ownerOf } from "./identity.ts";
import { makeDirectories } from "./own-directories.ts";
import type { OutputPipe } from "./pipes.ts";
import { lowerPriority } from "./priority.ts";
import type { ProcessScan } from "./process-scan.ts";
import { isAlive, killProcess, readStat, waitUntil } from "./processes.ts";
import type { Proof } from "./proof.ts";
import type { Removals } from "./removals.ts";
import {
  type ExecLimits,
  egressSocketName,
  type Place,
  relayPort,
  type Surroundings,
} from "./sandbox.ts";
import { type SpawnedSandbox, seccompFd, spawnSandbox, statusFd } from "./spawn.ts";
import type { Starters } from "./starters.ts";
import type { Starts } from "./starts.ts";
import type { Toolchains } from "./toolchains.ts";
import type { DiskState } from "./watchdog.ts";

/** What every command needs of the opened sandbox. */
export interface ExecHost {
  bwrap: string;
  /** Undefined until this host is proved to isolate. */
  proof?: Proof;
  layout: HostLayout;
  runtime: string;
  seccomp: Buffer;
  toolchains: Toolchains;
  /** Whether some toolchain has cargo. */
  cargo: boolean;
  identity: Identity;
  cgroups: Cgroups | null;
  starters: Starters;
  starts: Starts;
  disk: Map<string, DiskState>;
  processes: ProcessScan;
  removals: Removals;
  /** Groups of ended sandboxes that are still being removed: nobody waits for them but the end. */
  leaving: Set<Promise<void>>;
  clock: Clock;
  log: Log;
}

/** The limits that a sandbox is born with; the others belong to the command. */
export type BornLimits = Pick<ExecLimits, "memoryBytes" | "processes" | "diskBytes">;

/** A sandbox that waits for its one command. Nothing of the run's own has run in it. */
export interface OpenedSandbox {
  place: Place;
  spawned: SpawnedSandbox;
  tree: Tree;
  group: Group | undefined;
  stdout: OutputPipe;
  stderr: OutputPipe;
  /** Kills what is left, waits until it is gone, and gives everything back. */
  close(): Promise<void>;
}

/** The processes of one sandbox. */
export interface Tree {
  /** Host pid of pid 1 of its namespace, once it is known. */
  init(): number | undefined;
  kill(): void;
  /** Resolves when the last of the run's own is gone. Throws when one cannot be killed. */
  gone(): Promise<void>;
}

const goneWithinMs = 60_000;
const initWithinMs = 1_000;

/**
 * Starts one sandbox. It is not waited for: a command may be handed over before the launcher can
 * take it. Takes a ticket of `starts`, which it gives back once the launcher is there. Throws
 * `sandbox_unavailable` when bwrap itself cannot be started; everything later is in how it ends.
 */
export async function openOne(
  host: ExecHost,
  place: Place,
  limits: BornLimits,
  surroundings: Surroundings,
  startDone: () => void,
): Promise<OpenedSandbox> {
  try {
    await host.proof?.renew();
    makeDirectories(host, place, surroundings);
    const starter = await host.starters.take();
    const { group, stdout, stderr, release } = starter;
    group?.limit(groupLimits(limits));
    const spawned = spawnSandbox(starter, {
      args: argsFor(host, place, surroundings),
      seccomp: host.seccomp,
      launch: launchWords(limits, group, surroundings),
      owner: ownerOf(host.identity, place.uid),
    });
    void spawned.ready.then(startDone);
    const tree = followTree(spawned, group, host.clock);
    if (group === undefined) lowerPriority(host, spawned, tree);
    let closed: Promise<void> | undefined;
    const close = async () => {
      tree.kill();
      for (const pipe of [stdout, stderr]) pipe.drain();
      await spawned.ended;
      try {
        await tree.gone();
      } finally {
        release();
      }
    };
    return {
      ...{ place, spawned, tree, group, stdout, stderr },
      close: () => {
        closed ??= close();
        return closed;
      },
    };
  } catch (error) {
    startDone();
    throw error;
  }
}

/** bwrap itself is two of the processes: the one outside that waits, and pid 1 inside. */
const ownProcesses = 2;

function groupLimits({ memoryBytes, processes }: BornLimits): GroupLimits {
  return { memoryBytes, processes: processes + ownProcesses };
}

/**
 * The limit of processes that the launcher sets. Where there is a group, the group is to be the one
 * that refuses, because it says so and the shell's limit does not: that one is a little higher.
 */
export function shellProcesses({ processes }: BornLimits, hasGroup: boolean): number {
  return hasGroup ? processes + 2 * ownProcesses : processes;
}

function launchWords(
  limits: BornLimits,
  group: Group | undefined,
  { network }: Surroundings,
): string[] {
  const blocks = Math.max(1, Math.ceil(limits.diskBytes / 512));
  const words = [String(blocks), String(shellProcesses(limits, group !== undefined))];
  if (network === null) return words;
  return [...words, String(relayPort), `${egressDirectory}/${egressSocketName}`];
}

function argsFor(host: ExecHost, place: Place, surroundings: Surroundings): string[] {
  const { layout, runtime, toolchains } = host;
  return bwrapArgs({
    ...{ layout, runtime, place, surroundings, seccompFd, statusFd },
    toolchains: toolchains.directories,
    toolchainBins: toolchains.bins,
  });
}

/**
 * Pid 1 of a namespace outlives all others in it, so when one process is left it is that one: a
 * program of ours that does nothing any more, and whose death takes longer than most commands.
 */
function isLast(group: Group | undefined): boolean {
  return group !== undefined && group.count() <= 1;
}

/** Follows the processes of one sandbox to their end. */
function followTree(spawned: SpawnedSandbox, group: Group | undefined, clock: Clock): Tree {
  let init: { pid: number; startTime: string } | undefined;
  let isKnown = false;
  let isOver = false;
  const known = spawned.init.then((pid) => {
    isKnown = true;
    const stat = pid === undefined ? undefined : readStat(pid);
    if (stat !== undefined) init = { pid: stat.pid, startTime: stat.startTime };
  });
  const isInitAlive = () => init !== undefined && isAlive(init.pid, init.startTime);

  function killAll(): void {
    if (isOver) return;
    if (init !== undefined && isInitAlive()) killProcess(init.pid);
    spawned.kill();
    group?.kill();
  }
  // When bwrap ends, its command has: what is left in the background dies now, and with it the
  // pipes it holds.
  void spawned.exited.then(killAll);
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
        if (isLast(group) || !isInitAlive()) return true;
        killAll();
        return !isInitAlive();
      };
      isOver ||= await waitUntil(isGone, goneWithinMs, clock);
      if (isOver) return;
      throw new Error(
        `Process ${init?.pid} of a sandbox is alive ${goneWithinMs} ms after SIGKILL`,
      );
    },
  };
}
