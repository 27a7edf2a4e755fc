import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { openCgroup1 } from "./cgroup1.ts";
import { openCgroup2 } from "./cgroup2.ts";

export interface GroupLimits {
  memoryBytes: number;
  processes: number;
}

/** The control group of one command. */
export interface Group {
  /** Where a process joins that writes 0 to `cgroup.procs` of each. */
  directories: readonly string[];
  /** May be set anew at any time. */
  limit(limits: GroupLimits): void;
  /** Moves a process in, before it has children. */
  join(pid: number): Promise<void>;
  /** The processes in it, as host pids. */
  members(): number[];
  /** How many threads of it are not reaped yet, dying ones included. */
  count(): number;
  /** Sends SIGKILL to everything in it. */
  kill(): void;
  /** How many processes the kernel ended for going over the memory limit. */
  memoryKills(): number;
  /** How often the kernel refused a new process for the limit of processes. */
  processRefusals(): number;
  /**
   * Kills what is left, waits until it is empty, and removes it. Throws when something cannot be
   * killed.
   */
  remove(): Promise<void>;
}

export interface Cgroups {
  version: "cgroup2" | "cgroup1";
  create(): Promise<Group>;
  /** Ends and removes the groups that an earlier gateway on the same data directory left behind. */
  sweep(): Promise<void>;
  /** Removes the directory of this data directory's groups, unless some are still in use. */
  close(): void;
}

/** Where a hierarchy is mounted and where in it the gateway itself is. */
export interface Hierarchy {
  mountPoint: string;
  /** The gateway's own directory. */
  own: string;
}

export interface CgroupOptions {
  /** The directory that holds the groups of this data directory. */
  name: string;
  clock: Clock;
}

/**
 * Opens control groups below the gateway's own, so that whatever limits the gateway limits its runs
 * as well: version 2 when it is delegated to us, else version 1, else null (a watchdog then keeps
 * the limits).
 */
export async function openCgroups(dataDir: string, clock: Clock): Promise<Cgroups | null> {
  const digest = createHash("sha256").update(dataDir).digest("hex").slice(0, 12);
  const options = { name: `airlock-${digest}`, clock };
  for (const open of [openCgroup2, openCgroup1]) {
    const opened = await open(options);
    if (opened === null) continue;
    if (await canJoin(opened)) return opened;
    opened.close();
  }
  return null;
}

/** A directory may be ours while moving a process into it is not; only doing it tells. */
async function canJoin(cgroups: Cgroups): Promise<boolean> {
  const group = await cgroups.create();
  group.limit({ memoryBytes: 64 * 1024 * 1024, processes: 4 });
  const child = spawn("sleep", ["60"], { stdio: "ignore", env: { PATH: "/usr/bin:/bin" } });
  const ended = once(child, "exit");
  try {
    if (child.pid === undefined) return false;
    await group.join(child.pid);
    return group.members().includes(child.pid);
  } catch (error) {
    if (isForbidden(error)) return false;
    throw error;
  } finally {
    child.kill("SIGKILL");
    await ended;
    await group.remove();
  }
}

/** Finds the hierarchy of a version 1 controller, or of version 2 for an empty name. */
export function findHierarchy(controller: string): Hierarchy | undefined {
  const membership = readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => (fields[1] ?? "?").split(",").includes(controller));
  if (membership === undefined) return undefined;
  const path = membership.slice(2).join(":");
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [type, , options = ""] = after.split(" ");
    const wanted =
      controller === ""
        ? type === "cgroup2"
        : type === "cgroup" && options.split(",").includes(controller);
    if (!wanted) continue;
    const [, , , root = "/", mountPoint = ""] = before.split(" ");
    // In a container the mount may begin below the root of the hierarchy.
    if (root !== "/" && path !== root && !path.startsWith(`${root}/`)) continue;
    const inside = root === "/" ? path : path.slice(root.length);
    return { mountPoint, own: join(mountPoint, inside) };
  }
  return undefined;
}

/** Whether a system call failed because this host does not let us, as against a defect of ours. */
export function isForbidden(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return ["EACCES", "EPERM", "EROFS", "ENOENT", "EBUSY", "ENODEV", "EOPNOTSUPP", "EINVAL"].includes(
    code,
  );
}
