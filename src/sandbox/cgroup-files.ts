import { readdirSync, readFileSync, rmdirSync } from "node:fs";
import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { killProcess, waitUntil } from "./processes.ts";

const emptyWithinMs = 60_000;

/** The processes of a group; none when the group is gone. */
export function membersOf(directory: string): number[] {
  try {
    const text = readFileSync(join(directory, "cgroup.procs"), "latin1");
    return text.split("\n").filter(Boolean).map(Number);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The threads of a group that are not reaped yet; none when the group is gone. */
export function countOf(directory: string): number {
  try {
    return Number(readFileSync(join(directory, "pids.current"), "latin1"));
  } catch (error) {
    if (isGone(error)) return 0;
    throw error;
  }
}

export function killMembers(directory: string): void {
  // A pid that is 0 is a process outside of our pid namespace; signal 0 would go to ourselves.
  for (const pid of membersOf(directory)) if (pid > 0) killProcess(pid);
}

/**
 * Kills until the group is empty, then removes it. A process that forks as fast as it is killed
 * loses, because the group is read again each time. Throws after a minute: a process that cannot
 * die still writes to its directories.
 */
export async function emptyAndRemove(directory: string, clock: Clock): Promise<void> {
  const gone = async () => {
    if (membersOf(directory).length > 0) {
      killMembers(directory);
      return false;
    }
    return rmdir(directory).then(
      () => true,
      (error: unknown) => {
        if (!isGone(error) && !isInUse(error)) throw error;
        return isGone(error);
      },
    );
  };
  if (await waitUntil(gone, emptyWithinMs, clock)) return;
  throw new Error(`Control group ${directory} is not empty after ${emptyWithinMs} ms`);
}

/** Makes the directories of a group. Not on the main thread: they wait while the kernel moves any process, for milliseconds. */
export async function makeDirectories(directories: readonly string[]): Promise<void> {
  await Promise.all(directories.map((directory) => mkdir(directory)));
}

/** Removes the directory that holds groups, unless some are in use. */
export function removeDirectory(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!isGone(error) && !isInUse(error)) throw error;
  }
}

/** The kernel counts a dying process a moment longer than it lists it. */
function isInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EBUSY";
}

/** The groups below a directory; none when it is not there. */
export function groupsBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(directory, entry.name));
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The number after a word at the start of a line of a control file; 0 when it is not there. */
export function readCount(file: string, word: string): number {
  const text = readFileSync(file, "latin1");
  return Number(new RegExp(`^${word} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : "";
  return code === "ENOENT" || code === "ENODEV";
}
