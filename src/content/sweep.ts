import { lstat, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { GcReport } from "../contract/upkeep.ts";
import {
  type BlobPlaces,
  blobPath,
  blobPlaces,
  condemnedDigest,
  condemnedPath,
} from "./blob-path.ts";
import type { Blobs } from "./content.ts";
import { errorCode } from "./disk-errors.ts";

export interface SweepOptions {
  /** The data directory. */
  dir: string;
  blobs: Blobs;
  isReferenced: (sha256: string) => Promise<boolean>;
  dryRun: boolean;
  /** Nothing younger than this is touched: its row, or its rename, may be on the way. Milliseconds. */
  sparesMs: number;
  clock: Clock;
}

export type SweepReport = Omit<GcReport, "layers" | "runDirectories" | "retainedRuns">;

/**
 * Removes the blobs that no row refers to, and temp files that nobody writes any more. Safe beside `put`s of the same
 * bytes: a `put` touches the blob that it finds, and a blob is taken aside before its age and its rows are looked at
 * for the last time.
 */
export async function sweepBlobs(options: SweepOptions): Promise<SweepReport> {
  const places = blobPlaces(options.dir);
  const report: SweepReport = {
    dryRun: options.dryRun,
    blobs: 0,
    bytes: 0,
    tempFiles: await sweepTempFiles(places, options),
    kept: { blobs: 0, bytes: 0, young: 0 },
  };
  for await (const { sha256, bytes, ageMs } of options.blobs.all()) {
    const young = ageMs < options.sparesMs;
    const removed = !young && (await sweepBlob(places, sha256, options));
    const side = removed ? report : report.kept;
    side.blobs += 1;
    side.bytes += bytes;
    if (young) report.kept.young += 1;
  }
  return report;
}

async function sweepBlob(
  places: BlobPlaces,
  sha256: string,
  { isReferenced, dryRun, sparesMs, clock }: SweepOptions,
): Promise<boolean> {
  if (await isReferenced(sha256)) return false;
  if (dryRun) return true;
  const { path } = blobPath(places, sha256);
  const aside = condemnedPath(places, sha256);
  try {
    await rename(path, aside);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  const stat = await lstat(aside);
  if (clock.now() - stat.mtimeMs < sparesMs || (await isReferenced(sha256))) {
    await rename(aside, path);
    return false;
  }
  await rm(aside, { recursive: true });
  return true;
}

async function sweepTempFiles(
  places: BlobPlaces,
  { dryRun, sparesMs, clock }: SweepOptions,
): Promise<number> {
  let swept = 0;
  for (const name of await readdir(places.temp)) {
    if (condemnedDigest(name) !== undefined) continue;
    const path = join(places.temp, name);
    const stat = await lstat(path).catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    });
    if (stat === undefined || clock.now() - stat.mtimeMs < sparesMs) continue;
    if (!dryRun) await rm(path, { recursive: true, force: true });
    swept += 1;
  }
  return swept;
}
