import { execFile } from "node:child_process";
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { promisify } from "node:util";
import type { Log } from "../base/log.ts";
import type { Place } from "./sandbox.ts";

const run = promisify(execFile);
const walkWithinMs = 60_000;

/**
 * Bytes on disk of a run's directories, hard links counted once. `du` descends by descriptor however deep the tree is,
 * and does not hold up our own thread while it does. Undefined when it could not be measured.
 */
export async function measureDirectories(place: Place, log: Log): Promise<number | undefined> {
  const directories = [place.tmp, place.workspace, place.cache];
  const options = { env: { PATH: "/usr/bin:/bin" }, cwd: "/", timeout: walkWithinMs };
  const output = await run("du", ["-skx", "--", ...directories], options).then(
    ({ stdout }) => stdout,
    // A tree that changes while it is read makes du complain, and still say what it counted.
    (error: { stdout?: string }) => error.stdout ?? "",
  );
  const sizes = [...output.matchAll(/^(\d+)\t/gm)].map((match) => Number(match[1]) * 1024);
  if (sizes.length === 0) {
    log.warn({ run_id: place.runId }, "sandbox.disk_unmeasured");
    return undefined;
  }
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Bytes of files that processes hold open after deleting them: no walk of the tree can see those. */
export function measureDeleted(pids: number[], device: number): number {
  const sizes = new Map<number, number>();
  for (const fd of pids.flatMap(descriptorsOf)) {
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
