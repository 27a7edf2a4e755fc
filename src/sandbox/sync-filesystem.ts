import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
/** A slow disk writes some gigabytes in that time; one that takes longer is broken. */
const withinMs = 10 * 60_000;

/**
 * Resolves once all that was written to the filesystem that holds `path` is on disk: for a tree of thousands of files far
 * cheaper than one fsync for each, and Node has no call for it. Throws when the disk says that something was lost.
 */
export async function syncFilesystem(path: string): Promise<void> {
  const options = { env: { PATH: "/usr/bin:/bin" }, cwd: "/", timeout: withinMs };
  await run("sync", ["-f", "--", path], options);
}
