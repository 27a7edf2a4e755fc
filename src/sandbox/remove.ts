import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import type { Log } from "../base/log.ts";

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
  if (!existsSync(path)) return true;
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
