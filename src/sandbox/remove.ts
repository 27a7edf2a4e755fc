import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { promisify } from "node:util";
import { TreeError } from "../base/below.ts";
import type { Log } from "../base/log.ts";
import { walkTree } from "../base/tree.ts";

const run = promisify(execFile);
/** Millions of small files take minutes. */
const removeWithinMs = 30 * 60_000;

/**
 * Removes a directory that untrusted code has written. `rm` and `chmod` descend by descriptor and
 * follow no link, and neither depth nor length of names stops them (Node's own removal fails beyond
 * 4096 bytes of path). Directories are first made writable for their owner: only root can do
 * without. False when something is left.
 */
export async function removeTree(path: string, log: Log): Promise<boolean> {
  if (!existsSync(path) || removeSmall(path)) return true;
  const options = { env: { PATH: "/usr/bin:/bin" }, cwd: "/", timeout: removeWithinMs };
  const attempt = (program: string, args: string[]) =>
    run(program, args, options).catch((error: { stderr?: string }) => {
      const said = error.stderr?.slice(0, 300) ?? String(error);
      log.warn({ path, program, said }, "sandbox.remove_incomplete");
    });
  if (process.getuid?.() !== 0) await attempt("chmod", ["-R", "u+rwx", "--", path]);
  await attempt("rm", ["-rf", "--", path]);
  return !existsSync(path);
}

/** As many entries as are removed between two turns of our own thread. */
const smallEntries = 256;

/**
 * A few files are gone in less time than it takes to start a program. Nothing of the run is running any more, so what was
 * looked at is what is removed. False: there is more, or something is in the way, and all or some of it is left.
 */
function removeSmall(path: string): boolean {
  try {
    if (!isSmallTree(path)) return false;
    rmSync(path, { recursive: true, force: true });
    return !existsSync(path);
  } catch (error) {
    // What an ordinary user may not remove is opened up first, by the programs.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

/** Whether a directory has a few plain entries, all of which can be looked at. Only while nothing of the run is running. */
export function isSmallTree(path: string): boolean {
  try {
    let entries = 0;
    for (const { type } of walkTree(path, { maxEntries: smallEntries, maxDepth: 16 })) {
      entries += 1;
      const isPlain = ["file", "directory", "symlink", "other"].includes(type);
      if (!isPlain || entries > smallEntries) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof TreeError || (error instanceof Error && "code" in error)) return false;
    throw error;
  }
}
