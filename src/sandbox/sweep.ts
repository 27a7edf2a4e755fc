import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { launcher } from "./bwrap-args.ts";
import type { Cgroups } from "./cgroup.ts";
import type { Identity } from "./identity.ts";
import { oncePrefix } from "./once-place.ts";
import type { SandboxPipes } from "./pipes.ts";
import {
  commandLineOf,
  isAlive,
  isFirstOfNamespace,
  killProcess,
  listProcesses,
  mountsOf,
  realUid,
  waitUntil,
} from "./processes.ts";
import type { Removals } from "./removals.ts";
import { removeTree } from "./remove.ts";

export interface SweepHost {
  dataDir: string;
  identity: Identity;
  cgroups: Cgroups | null;
  pipes: SandboxPipes;
  removals: Removals;
  clock: Clock;
  log: Log;
}

/** Directories of our own probes begin with this; a run's id never does. */
export const probePrefix = "probe-";

const deadWithinMs = 60_000;

/**
 * Ends what an earlier gateway on this data directory left running, then lists the directories of
 * runs. The kernel kills sandboxes when their gateway dies; this is for the instant in which it
 * could not.
 */
export async function sweepSandboxes(host: SweepHost): Promise<{ runDirectories: string[] }> {
  await host.cgroups?.sweep();
  host.pipes.sweep();
  const names = readdirSync(join(host.dataDir, "runs"));
  const noneLeft = () => killOrphans(host.identity, names, host.log) === 0;
  if (!(await waitUntil(noneLeft, deadWithinMs, host.clock))) {
    throw new Error(`Processes of an earlier gateway are alive ${deadWithinMs} ms after SIGKILL`);
  }
  for (const name of names.filter((found) => found.startsWith(probePrefix))) {
    await removeTree(join(host.dataDir, "runs", name), host.log);
  }
  await host.removals.sweep();
  return { runDirectories: listRunDirectories(host) };
}

/** The directories of runs that are on disk now. */
export function listRunDirectories(host: Pick<SweepHost, "dataDir">): string[] {
  return readdirSync(join(host.dataDir, "runs")).filter((name) => !name.startsWith(probePrefix));
}

/**
 * A process is a run's when it has that run's directory mounted. Its uid alone would not say so:
 * another gateway on this machine may have been given the same range.
 */
function killOrphans(identity: Identity, runs: string[], log: Log): number {
  let killed = 0;
  for (const { pid, ppid, startTime } of listProcesses()) {
    const uid = realUid(pid);
    const possible =
      uid !== undefined &&
      (identity ? uid >= identity.first && uid <= identity.last : uid === process.getuid?.());
    if (!possible || pid === process.pid || !isAlive(pid, startTime)) continue;
    const mounts = mountsOf(pid);
    const isOfRun = runs.some((run) =>
      [`/runs/${run}/tmp /tmp `, `/runs/${run}/${oncePrefix}`].some((sign) =>
        mounts.includes(sign),
      ),
    );
    if (!isOfRun && !isForsaken(pid, ppid)) continue;
    log.warn({ pid }, "sandbox.orphan_killed");
    killProcess(pid);
    killed += 1;
  }
  return killed;
}

/**
 * A child that bwrap made and could not let go on before it was killed with its gateway: it has mounted nothing yet, and
 * waits for ever. Whichever gateway made it, nobody is left who could wake it.
 */
function isForsaken(pid: number, ppid: number): boolean {
  if (!isSandboxStart(commandLineOf(pid)) || !isFirstOfNamespace(pid)) return false;
  return !isSandboxStart(commandLineOf(ppid));
}

/** Whether this is how a starter calls bwrap. */
function isSandboxStart([program, ...words]: string[]): boolean {
  return (
    /(^|\/)bwrap[^/]*$/.test(program ?? "") && words.slice(2, 4).join(" ") === `-- ${launcher}`
  );
}
