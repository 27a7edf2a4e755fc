import { randomUUID } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CgroupOptions, Cgroups, Group, GroupLimits } from "./cgroup.ts";
import { findHierarchy, isForbidden } from "./cgroup.ts";
import {
  emptyAndRemove,
  groupsBelow,
  killMembers,
  membersOf,
  readCount,
  removeDirectory,
} from "./cgroup-files.ts";

/**
 * Version 1: the memory and the pids controller, each a hierarchy of its own. Null when one is
 * missing or not ours.
 */
export async function openCgroup1(options: CgroupOptions): Promise<Cgroups | null> {
  const memory = findHierarchy("memory");
  const pids = findHierarchy("pids");
  if (memory === undefined || pids === undefined) return null;
  const parents = [memory, pids].map(({ own }) => join(own, options.name));
  const [memoryParent = "", pidsParent = ""] = parents;
  try {
    for (const parent of parents) {
      mkdirSync(parent, { recursive: true });
      accessSync(parent, constants.W_OK);
    }
  } catch (error) {
    if (isForbidden(error)) return null;
    throw error;
  }
  return {
    version: "cgroup1",
    async create(limits) {
      // Doctor, on the same data directory, may have removed it when it was empty.
      for (const parent of parents) mkdirSync(parent, { recursive: true });
      const name = randomUUID();
      return openGroup(join(memoryParent, name), join(pidsParent, name), limits, options);
    },
    async sweep() {
      for (const group of parents.flatMap(groupsBelow)) await emptyAndRemove(group, options.clock);
    },
    close() {
      for (const parent of parents) removeDirectory(parent);
    },
  };
}

function openGroup(
  memory: string,
  pids: string,
  limits: GroupLimits,
  options: CgroupOptions,
): Group {
  mkdirSync(memory);
  mkdirSync(pids);
  const bytes = String(limits.memoryBytes);
  writeFileSync(join(memory, "memory.limit_in_bytes"), bytes);
  // Memory and swap together; the file is missing where the kernel does not count swap.
  const withSwap = join(memory, "memory.memsw.limit_in_bytes");
  if (existsSync(withSwap)) writeFileSync(withSwap, bytes);
  writeFileSync(join(pids, "pids.max"), String(limits.processes));
  return {
    async join(pid) {
      // Not on the main thread: the kernel may take milliseconds to move a process.
      const file = "cgroup.procs";
      await Promise.all([memory, pids].map((group) => writeFile(join(group, file), String(pid))));
    },
    members: () => membersOf(pids),
    kill: () => killMembers(pids),
    memoryKills: () => readCount(join(memory, "memory.oom_control"), "oom_kill"),
    async remove() {
      for (const group of [pids, memory]) await emptyAndRemove(group, options.clock);
    },
  };
}
