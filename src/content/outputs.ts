import { isUtf8 } from "node:buffer";
import { closeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { lookup } from "mrmime";
import type { Clock } from "../base/clock.ts";
import { limits as gatewayLimits } from "../base/limits.ts";
import { openDirectoryBelow, openRoot, type TreeEntry, TreeError, walkTree } from "../base/tree.ts";
import { newId } from "../contract/ids.ts";
import type { MissingOutput, Output } from "../contract/output.ts";
import type { Blobs, Captured } from "./content.ts";
import {
  type CapturedFile,
  type FileRefusal,
  openFileCapture,
  type SecretScanner,
} from "./output-file.ts";
import { nameOutputs, type PlacedOutput } from "./output-name.ts";

/** The three caps of one capture; those of `base/limits.ts` unless told otherwise. */
export type OutputLimits = Record<"outputFiles" | "outputFileBytes" | "outputTotalBytes", number>;

export interface OutputCaptureOptions {
  blobs: Blobs;
  clock: Clock;
  /** Tells whether bytes hold a secret of this run. */
  secrets: SecretScanner;
  limits?: OutputLimits;
}

export interface CaptureRequest {
  /** The host directories that are the run's `/tmp` and `/workspace`. */
  roots: { tmp: string; workspace: string };
  /** Normalised, below `/tmp` or `/workspace`. */
  outputDirs: readonly string[];
  /** What the journal says was captured last: their ids and names are kept. */
  previous: readonly Output[];
  signal: AbortSignal;
}

/**
 * Captures the output directories of one run while none of its code is running. Rejects only when the signal aborts or
 * the gateway itself is at fault; whatever the run did to its directories is a row of `missing`.
 */
export type OutputCapture = (request: CaptureRequest) => Promise<Captured>;

const missingRowsMax = 1_000;
const entriesPerTurn = 256;
/** A small file takes as long as the disk takes to say that it is safe, and it says so to many at once. */
const filesAtOnce = 8;

/**
 * Opens the capture of one run. It remembers in memory what it has read, so that capturing after every call costs one
 * look per file that did not change; after a restart everything is read once more.
 */
export function openOutputCapture(options: OutputCaptureOptions): OutputCapture {
  const limits = options.limits ?? gatewayLimits;
  const captureFile = openFileCapture(options.blobs, options.clock, options.secrets);

  return async ({ roots, outputDirs, previous, signal }) => {
    const found = openFindings(previous);
    const going: { place: PlacedOutput; size: number; file: Promise<CapturedFile> }[] = [];
    const places = outputDirs.filter((dir) => !outputDirs.some((outer) => isBelow(dir, outer)));
    for (const dir of outputDirs) {
      const fd = openOutputDir(roots, dir);
      if (typeof fd !== "number") {
        found.miss(fd.reason, dir);
        continue;
      }
      try {
        if (places.includes(dir) && !found.full()) await captureDir(fd, dir).finally(allSettled);
      } finally {
        closeSync(fd);
      }
    }
    return found.captured(places.length > 1);

    async function captureDir(fd: number, dir: string): Promise<void> {
      let seen = 0;
      const maxEntries = limits.outputFiles * 10;
      for (const entry of walkTree(`/proc/self/fd/${fd}/.`, { maxEntries })) {
        signal.throwIfAborted();
        if (++seen % entriesPerTurn === 0) await nextTurn();
        if (!(await captureEntry(entry, dir))) break;
      }
      await settle(0);
    }

    /** Whether the walk goes on. */
    async function captureEntry(entry: TreeEntry, dir: string): Promise<boolean> {
      if (entry.type === "directory") return true;
      const path = `${dir}/${shown(entry.path)}`;
      // Those on the way count only once they are there: one that is refused makes room for this one.
      if (capOf(entry) !== undefined) await settle(0);
      const refusal = refusalOf(entry) ?? capOf(entry);
      if (refusal === "too_many_files") found.close(dir);
      else if (options.secrets.start().push(entry.path)) found.miss("contains_secret", dir);
      else if (refusal) found.miss(refusal, path);
      else {
        const place = { path, relative: shown(entry.path), dir };
        // It is opened before this returns, while the entry is the newest of its walk.
        const file = captureFile(entry, path, found.previousDigest(path), signal);
        file.catch(() => undefined);
        going.push({ place, size: entry.size, file });
        await settle(filesAtOnce - 1);
      }
      return !found.full();
    }

    /** Takes what was captured, in the order of the walk, until so many are on the way. */
    async function settle(most: number): Promise<void> {
      for (let first = going[0]; first !== undefined && going.length > most; first = going[0]) {
        const file = await first.file;
        going.shift();
        if (file.type === "refused") found.miss(file.reason, first.place.path);
        else found.keep(first.place, file);
      }
    }

    /** Nothing is written any more when the capture has failed. */
    async function allSettled(): Promise<void> {
      await Promise.allSettled(going.map(({ file }) => file));
    }

    function capOf(entry: TreeEntry): FileRefusal | "too_many_files" | undefined {
      if (found.count() + going.length >= limits.outputFiles) return "too_many_files";
      if (entry.size > limits.outputFileBytes) return "file_too_large";
      // The logical size, before anything is read: a sparse file of a terabyte takes no place on the run's disk.
      const total = going.reduce((sum, { size }) => sum + size, found.totalBytes() + entry.size);
      return total > limits.outputTotalBytes ? "storage_cap_exceeded" : undefined;
    }
  };
}

type Reason = MissingOutput["reason"];

function refusalOf(entry: TreeEntry): Reason | undefined {
  if (entry.type === "too_many") return "too_many_files";
  if (!isUtf8(entry.path)) return "name_not_utf8";
  if (entry.type === "symlink" || entry.type === "other") return "not_a_regular_file";
  if (entry.type === "too_deep" || entry.type === "unreadable") return entry.type;
  return undefined;
}

/** A name for people to read; bytes that are not UTF-8 are written as `\xff`, because decoding would merge two names. */
function shown(path: Buffer): string {
  if (isUtf8(path)) return path.toString("utf8");
  return path.toString("latin1").replace(/[^\x20-\x7e]/g, (byte) => {
    return `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

function isBelow(dir: string, outer: string): boolean {
  return dir.startsWith(`${outer}/`);
}

/** Opens an output directory name by name from the host directory that it lies in; the caller closes it. */
function openOutputDir(
  roots: CaptureRequest["roots"],
  dir: string,
): number | { reason: "directory_missing" | "session_terminated_pre_sync" } {
  const [, place, ...below] = dir.split("/");
  if (place !== "tmp" && place !== "workspace") return { reason: "directory_missing" };
  let root: number;
  try {
    root = openRoot(roots[place]);
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    return { reason: "session_terminated_pre_sync" };
  }
  try {
    return openDirectoryBelow(root, below.join("/"));
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    return { reason: "directory_missing" };
  } finally {
    closeSync(root);
  }
}

/** What a capture has found so far. Rows of `missing` are limited too: a run can make a million links in a second. */
function openFindings(previous: readonly Output[]) {
  const before = new Map(previous.map((output) => [output.path, output]));
  const kept: { place: PlacedOutput; sha256: string; bytes: number }[] = [];
  const missing: MissingOutput[] = [];
  let unlisted = 0;
  let total = 0;
  let closed = false;

  return {
    count: () => kept.length,
    totalBytes: () => total,
    full: () => closed,
    previousDigest: (path: string) => before.get(path)?.sha256,
    miss(reason: Reason, path: string) {
      if (missing.length < missingRowsMax) missing.push({ path, reason });
      else unlisted += 1;
    },
    close(dir: string) {
      closed = true;
      missing.push({ path: dir, reason: "too_many_files" });
    },
    keep(place: PlacedOutput, file: { sha256: string; bytes: number }) {
      kept.push({ place, ...file });
      total += file.bytes;
    },
    captured(several: boolean): Captured {
      const taken = new Map([...before].map(([path, output]) => [path, output.name]));
      const names = nameOutputs(
        kept.map((file) => file.place),
        several,
        taken,
      );
      const outputs = kept.map(({ place: { path }, sha256, bytes }) => ({
        id: before.get(path)?.id ?? newId("output"),
        path,
        name: names.get(path) ?? path,
        sha256,
        bytes,
        contentType: lookup(path) ?? "application/octet-stream",
      }));
      const rest: MissingOutput = {
        reason: "too_many_files",
        message: `${unlisted} more entries did not come back and are not listed`,
      };
      return { outputs, missing: unlisted > 0 ? [...missing, rest] : missing };
    },
  };
}
