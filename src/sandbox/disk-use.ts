import { execFile } from "node:child_process";
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { TreeError } from "../base/below.ts";
import type { Log } from "../base/log.ts";
import { walkTree } from "../base/tree.ts";
import type { Place } from "./sandbox.ts";

const run = promisify(execFile);
const walkWithinMs = 60_000;
const looksPerTurn = 200;
const complaintBytes = 16 * 1024 * 1024;

export interface DirectoryUse {
  bytes: number;
  /** Files and directories, when they were counted; each costs the host an inode, however empty it is. */
  files: number | undefined;
  /** Something could not be looked into, not even as the owner of all that the run has made. */
  isPartial: boolean;
}

/**
 * What a run's directories use, hard links counted once. `du` descends by descriptor however deep
 * the tree is, and does not hold up our own thread while it does. Undefined when it could not be
 * measured. `maybeFew`: there were few files when it was looked at last, or it never was. Then they are counted right here,
 * in less time than it takes to start a program.
 */
export async function measureDirectories(
  bwrap: string,
  place: Place,
  log: Log,
  countFiles: boolean,
  maybeFew: boolean,
): Promise<DirectoryUse | undefined> {
  const small = maybeFew ? measureSmall(place) : undefined;
  if (small !== undefined) return small;
  const directories = [place.tmp, place.workspace, place.cache];
  const [blocks, inodes] = await Promise.all([
    sumOf(bwrap, ["-skx", "--", ...directories]),
    countFiles ? sumOf(bwrap, ["-sx", "--inodes", "--", ...directories]) : undefined,
  ]);
  if (blocks.sum === undefined) {
    log.warn({ run_id: place.runId, said: blocks.complaint }, "sandbox.disk_unmeasured");
    return undefined;
  }
  return {
    bytes: blocks.sum * 1024,
    // A small system's du does not count them; the bytes of directories then have to do.
    files: inodes && (inodes.sum ?? 0),
    isPartial: isLocked(blocks),
  };
}

/** As many entries as are looked at between two turns of our own thread. */
export const smallEntries = 256;

/** Undefined when there is more, or something cannot be looked into. */
function measureSmall(place: Place): DirectoryUse | undefined {
  try {
    return countFew([place.tmp, place.workspace, place.cache]);
  } catch (error) {
    // Something else is in the place of a directory, or was changed under our eyes: that is not for us to say.
    if (error instanceof TreeError) return undefined;
    throw error;
  }
}

function countFew(roots: readonly string[]): DirectoryUse | undefined {
  let bytes = 0;
  let files = 0;
  const linked = new Set<bigint>();
  for (const root of roots) {
    for (const entry of walkTree(root, { maxEntries: smallEntries })) {
      if (!["file", "directory", "symlink", "other"].includes(entry.type)) return undefined;
      if (entry.nlink > 1 && entry.type !== "directory") {
        if (linked.has(entry.ino)) continue;
        linked.add(entry.ino);
      }
      files += 1;
      bytes += entry.diskBytes;
      if (files > smallEntries) return undefined;
    }
  }
  return { bytes, files, isPartial: false };
}

interface Sum {
  sum: number | undefined;
  complaint: string;
}

/**
 * What `du` says. An ordinary user's gateway may not read a directory that a run has locked, though it owns it: then it
 * looks once more from a user namespace in which it has the right to (`user_namespaces(7)`: over files whose owner is
 * mapped), with the program that has the host's permission to make one.
 */
async function sumOf(bwrap: string, args: string[]): Promise<Sum> {
  const sum = await sumBy("du", args);
  if (!isLocked(sum)) return sum;
  const mapped = ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "CAP_DAC_READ_SEARCH"];
  const around = [...mapped, "--die-with-parent", "--ro-bind", "/", "/", "--", "du"];
  const unlocked = await sumBy(bwrap, [...around, ...args]);
  return unlocked.sum === undefined ? sum : unlocked;
}

function isLocked({ complaint }: Sum): boolean {
  return complaint.includes("Permission denied");
}

async function sumBy(program: string, args: string[]): Promise<Sum> {
  const options = {
    ...{ env: { PATH: "/usr/bin:/bin" }, cwd: "/", timeout: walkWithinMs },
    // It complains of each name that goes while it looks, and would be ended before it says its sum.
    maxBuffer: complaintBytes,
  };
  const { stdout, stderr } = await run(program, args, options).catch(
    // A tree that changes while it is read makes du complain, and still say what it counted.
    (error: { stdout?: string; stderr?: string }) => ({
      stdout: error.stdout ?? "",
      stderr: error.stderr ?? String(error),
    }),
  );
  const sizes = [...stdout.matchAll(/^(\d+)\t/gm)].map((match) => Number(match[1]));
  const sum = sizes.length === 0 ? undefined : sizes.reduce((total, size) => total + size, 0);
  return { sum, complaint: stderr.slice(0, 10_000) };
}

/**
 * Bytes of files that processes hold open after deleting them: no walk of the tree can see those.
 */
export async function measureDeleted(pids: number[], device: number): Promise<number> {
  const sizes = new Map<number, number>();
  let looked = 0;
  for (const fd of pids.flatMap(descriptorsOf)) {
    // A storm of descriptors holds up nobody but its own watchdog.
    if (++looked % looksPerTurn === 0) await nextTurn();
    try {
      if (!readlinkSync(fd).endsWith(" (deleted)")) continue;
      const stats = statSync(fd);
      if (stats.isFile() && stats.dev === device) sizes.set(stats.ino, stats.blocks * 512);
    } catch (error) {
      ignoreVanished(error);
    }
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((name) => `/proc/${pid}/fd/${name}`);
  } catch (error) {
    ignoreVanished(error);
    return [];
  }
}

/** Processes end while they are looked at; one that may not be looked at is not the run's. */
function ignoreVanished(error: unknown): void {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(code)) throw error;
}
