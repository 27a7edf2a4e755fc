import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
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

const wanted = ["memory", "pids"];
/**
 * Of all runs together, however many processes they start, where 100 is the gateway's. Among
 * themselves runs share evenly.
 */
const cpuWeight = 100;
/** Where the gateway itself moves: a group that hands controllers on may hold no process. */
const leaf = "airlock-gateway";

/**
 * Version 2, in the part of the tree that was delegated to the gateway (a systemd service with
 * `Delegate=yes`, or root). Null when the controllers are not there, it is not ours, or other
 * processes live in the same group.
 */
export async function openCgroup2(options: CgroupOptions): Promise<Cgroups | null> {
  const hierarchy = findHierarchy("");
  if (hierarchy === undefined) return null;
  const base = basename(hierarchy.own) === leaf ? dirname(hierarchy.own) : hierarchy.own;
  const parent = join(base, options.name);
  try {
    if (!wanted.every((name) => listed(base, "cgroup.controllers").includes(name))) return null;
    delegate(base);
    makeParent(parent);
  } catch (error) {
    if (isForbidden(error)) return null;
    throw error;
  }
  return {
    version: "cgroup2",
    async create() {
      // Doctor, on the same data directory, may have removed it when it was empty.
      if (!existsSync(parent)) makeParent(parent);
      const directory = join(parent, randomUUID());
      await makeDirectories([directory]);
      return openGroup(directory, options);
    },
    async sweep() {
      for (const group of groupsBelow(parent)) await emptyAndRemove(group, options.clock);
    },
    close() {
      removeDirectory(parent);
    },
  };
}

function delegate(base: string): void {
  if (wanted.every((name) => listed(base, "cgroup.subtree_control").includes(name))) return;
  const own = join(base, leaf);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "cgroup.procs"), String(process.pid));
  try {
    enable(base);
  } catch (error) {
    // Somebody else lives here as well, so it is not ours to divide: back to where we were.
    writeFileSync(join(base, "cgroup.procs"), String(process.pid));
    throw error;
  }
}

function makeParent(parent: string): void {
  mkdirSync(parent, { recursive: true });
  enable(parent);
  const weight = join(parent, "cpu.weight");
  if (existsSync(weight)) writeFileSync(weight, String(cpuWeight));
}

/** The controller of cpu as well, where it is handed on to us: runs can do without. */
function enable(group: string): void {
  const handedOn = listed(group, "cgroup.controllers").includes("cpu");
  const names = (handedOn ? [...wanted, "cpu"] : wanted).map((name) => `+${name}`).join(" ");
  writeFileSync(join(group, "cgroup.subtree_control"), names);
}

function listed(group: string, file: string): string[] {
  return readFileSync(join(group, file), "latin1").trim().split(" ");
}

function openGroup(directory: string, options: CgroupOptions): Group {
  const killFile = join(directory, "cgroup.kill");
  return {
    directories: [directory],
    limit({ memoryBytes, processes }) {
      writeFileSync(join(directory, "memory.max"), String(memoryBytes));
      const swap = join(directory, "memory.swap.max");
      if (existsSync(swap)) writeFileSync(swap, "0");
      writeFileSync(join(directory, "pids.max"), String(processes));
    },
    join: (pid) => writeFile(join(directory, "cgroup.procs"), String(pid)),
    members: () => membersOf(directory),
    count: () => countOf(directory),
    kill() {
      // One write ends all of it, also what is being forked right now; kernels before 5.14 lack it.
      if (existsSync(killFile)) writeFileSync(killFile, "1");
      else killMembers(directory);
    },
    memoryKills: () => readCount(join(directory, "memory.events"), "oom_kill"),
    processRefusals: () => readCount(join(directory, "pids.events"), "max"),
    remove: () => emptyAndRemove(directory, options.clock),
  };
}
