import { statfsSync, statSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { measureDeleted, measureDirectories, smallEntries } from "./disk-use.ts";
import { type ProcessStat, proportionalBytes } from "./processes.ts";
import type { Place } from "./sandbox.ts";

const memoryEveryMs = 100;
const diskEveryMs = 250;
/** A walk happens at least this often, in case other runs free what this one fills … */
const walkEveryMs = 5_000;
/** … unless walking takes so long that it would be more than a third of the time. */
const walkShare = 3;
/**
 * A command that took no longer than this cannot have written much that the free space does not
 * show.
 */
const shortMs = 50;

/**
 * A run may have a file for each 4 KiB of its disk: beyond that it is the inodes of the host that
 * it uses up.
 */
const bytesPerFile = 4096;
const filesLeast = 10_000;

/** What was known at the last walk of a run's directories. Kept between its commands. */
export interface DiskState {
  usedBytes: number;
  freeBytes: number;
  freeFiles: number;
  /** At the last walk that counted them, and how many inodes were free then. */
  files: number;
  countedFreeFiles: number;
  countedAt: number;
  at: number;
  tookMs: number;
}

export interface WatchOptions {
  bwrap: string;
  place: Place;
  diskBytes: number;
  /** Null when a control group keeps the memory limit. */
  memoryBytes: number | null;
  /** Host pids of the command's processes. */
  members: () => number[];
  /** The same with what they use, where there is no control group. */
  tree: () => ProcessStat[];
  disk: Map<string, DiskState>;
  kill: (reason: "disk_limit" | "memory_limit") => void;
  clock: Clock;
  log: Log;
}

export interface Watchdog {
  stop(): Promise<void>;
  /** One more look at the disk, after the command has ended. */
  isOverDisk(): Promise<boolean>;
}

/**
 * Watches what the kernel cannot limit for us: the disk use of a run always, and its memory where
 * there is no control group. Between two looks a command can go over its limit by what it can write
 * in a quarter of a second.
 */
export function startWatchdog(options: WatchOptions): Watchdog {
  const { clock } = options;
  const started = clock.monotonic();
  const stopping = new AbortController();

  async function every(ms: number, look: () => Promise<void> | void): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(ms, stopping.signal).catch(() => undefined);
      if (!stopping.signal.aborted) await look();
    }
  }

  const loops = [
    every(diskEveryMs, async () => {
      if (await isOverDisk(options, options.members, walkEveryMs)) options.kill("disk_limit");
    }),
  ];
  if (options.memoryBytes !== null) {
    const limit = options.memoryBytes;
    loops.push(
      every(memoryEveryMs, () => {
        if (isOverMemory(options.tree(), limit)) options.kill("memory_limit");
      }),
    );
  }
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
    isOverDisk() {
      const short = clock.monotonic() - started < shortMs;
      return isOverDisk(options, undefined, short ? walkEveryMs : shortMs);
    },
  };
}

/**
 * The quick sum counts shared pages for each process that maps them, so it only asks for the exact
 * one.
 */
function isOverMemory(tree: ProcessStat[], limit: number): boolean {
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0);
  if (sum(tree.map(({ residentBytes }) => residentBytes)) <= limit) return false;
  return sum(tree.map(({ pid, residentBytes }) => proportionalBytes(pid) ?? residentBytes)) > limit;
}

/** A free-space reading costs microseconds and a walk much more, so a walk needs a reason. */
async function isOverDisk(
  options: WatchOptions,
  /** Undefined: they are gone. */
  members: (() => number[]) | undefined,
  everyMs: number,
): Promise<boolean> {
  const { place, diskBytes, clock } = options;
  const filesMax = Math.max(filesLeast, diskBytes / bytesPerFile);
  // Not in another thread: the way there and back takes a hundred times as long as the answer.
  const space = statfsSync(place.workspace);
  const free = { freeBytes: space.bfree * space.bsize, freeFiles: space.ffree };
  const last = options.disk.get(place.workspace);
  const began = clock.monotonic();
  if (last !== undefined && last.usedBytes <= diskBytes) {
    const room = Math.max((diskBytes - last.usedBytes) / 4, diskBytes / 64);
    const isQuiet =
      last.freeBytes - free.freeBytes < room && last.freeFiles - free.freeFiles < filesMax / 8;
    const isRecent = began - last.at < Math.max(everyMs, last.tookMs * walkShare);
    if (isQuiet && isRecent) return false;
  }
  // Few files since the last count, or none at all yet: what has not been used up need not be counted.
  const lostFiles = last === undefined ? filesMax : last.countedFreeFiles - free.freeFiles;
  const counts = lostFiles >= filesMax / 8 || began - (last?.countedAt ?? 0) >= walkEveryMs;
  const isIdle = members === undefined;
  const maybeFew = isIdle || last === undefined || last.files <= smallEntries;
  const walked = await measureDirectories(options.bwrap, place, options.log, counts, maybeFew);
  if (walked === undefined) return false;
  const deleted = await measureDeleted(members?.() ?? [], statSync(place.workspace).dev);
  let usedBytes = walked.bytes + deleted;
  if (walked.isPartial && last !== undefined) {
    // What it hides is charged by what the filesystem lost: too much or too little while others write and remove, but the
    // best that is left.
    const lost = Math.max(0, last.freeBytes - free.freeBytes);
    usedBytes = Math.max(usedBytes, last.usedBytes + lost);
  }
  const at = clock.monotonic();
  const files = walked.files ?? last?.files ?? 0;
  const countedFreeFiles = counts ? free.freeFiles : (last?.countedFreeFiles ?? free.freeFiles);
  const tookMs = at - began;
  const countedAt = counts ? at : (last?.countedAt ?? at);
  const counted = { files, countedFreeFiles, countedAt };
  options.disk.set(place.workspace, { usedBytes, ...free, ...counted, at, tookMs });
  return usedBytes > diskBytes || files > filesMax;
}
