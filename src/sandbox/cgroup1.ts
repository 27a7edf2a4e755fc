import { randomUUID } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { CgroupOptions, Cgroups, Group } from "./cgroup.ts";
import { findHierarchy, isForbidden } from "./cgroup.ts";
import {
  countOf,
  emptyAndRemove,
  groupsBelow,
  killMembers,
  makeDirectories,
  membersOf,
  readCount,
  removeDirectory,
} from "./cgroup-files.ts";

/**
 * Of all runs together, where 1024 is the share of a single thread of the gateway: however many
 * processes they start, they weigh as much as one for each core. Among themselves runs share evenly.
 */
const cpuShares = 1024 * availableParallelism();

/**
 * Version 1: the memory and the pids controller, each a hierarchy of its own, and that of cpu
 * where it is ours. Null when one of the first two is missing or not ours.
 */
export async function openCgroup1(options: CgroupOptions): Promise<Cgroups | null> {
  const memory = findHierarchy("memory");
  const pids = findHierarchy("pids");
  if (memory === undefined || pids === undefined) return null;
  const cpu = cpuParent(options.name);
  const own = [memory, pids].map((hierarchy) => join(hierarchy.own, options.name));
  const parents = cpu === undefined ? own : [...own, cpu];
  const makeParents = () => {
    for (const parent of parents) mkdirSync(parent, { recursive: true });
    if (cpu !== undefined) writeFileSync(join(cpu, "cpu.shares"), String(cpuShares));
  };
  try {
    makeParents();
    for (const parent of parents) accessSync(parent, constants.W_OK);
  } catch (error) {
    if (isForbidden(error)) return null;
    throw error;
  }
  return {
    version: "cgroup1",
    async create() {
      // Doctor, on the same data directory, may have removed it when it was empty.
      if (!parents.every((parent) => existsSync(parent))) makeParents();
      const name = randomUUID();
      const directories = parents.map((parent) => join(parent, name));
      await makeDirectories(directories);
      return openGroup(directories, options);
    },
    async sweep() {
      for (const group of parents.flatMap(groupsBelow)) await emptyAndRemove(group, options.clock);
    },
    close() {
      for (const parent of parents) removeDirectory(parent);
    },
  };
}

/** Undefined where that controller is missing or not ours: runs then share as everybody does. */
function cpuParent(name: string): string | undefined {
  const hierarchy = findHierarchy("cpu");
  if (hierarchy === undefined) return undefined;
  const parent = join(hierarchy.own, name);
  try {
    mkdirSync(parent, { recursive: true });
    accessSync(join(parent, "cpu.shares"), constants.W_OK);
    return parent;
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** The directories are those of memory, of pids, and of cpu where there is one. */
function openGroup(directories: string[], options: CgroupOptions): Group {
  const [memory = "", pids = ""] = directories;
  return {
    directories,
    limit({ memoryBytes, processes }) {
      const bytes = String(memoryBytes);
      writeFileSync(join(memory, "memory.limit_in_bytes"), bytes);
      // Memory and swap together; the file is missing where the kernel does not count swap.
      const withSwap = join(memory, "memory.memsw.limit_in_bytes");
      if (existsSync(withSwap)) writeFileSync(withSwap, bytes);
      writeFileSync(join(pids, "pids.max"), String(processes));
    },
    async join(pid) {
      // Not on the main thread: the kernel may take milliseconds to move a process.
      const file = "cgroup.procs";
      await Promise.all(directories.map((group) => writeFile(join(group, file), String(pid))));
    },
    members: () => membersOf(pids),
    count: () => countOf(pids),
    kill: () => killMembers(pids),
    memoryKills: () => readCount(join(memory, "memory.oom_control"), "oom_kill"),
    processRefusals: () => readCount(join(pids, "pids.events"), "max"),
    async remove() {
      for (const group of directories.toReversed()) await emptyAndRemove(group, options.clock);
    },
  };
}
