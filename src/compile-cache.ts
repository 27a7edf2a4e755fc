import { lstatSync, mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { userInfo } from "node:os";
import { join } from "node:path";

/**
 * Keeps what Node makes of our sources for the next start, which then takes half the time. What is kept is run, so it is
 * only kept where nobody else can write: below the home of the account in the system's own table (never `$HOME`, which
 * sudo may leave to another user) and in a directory of the account's own. `NODE_COMPILE_CACHE` names another place,
 * `NODE_DISABLE_COMPILE_CACHE=1` turns it off. Must be called before what it is for is loaded. Returns the directory, or
 * undefined when there is none that is fit; that is no error.
 */
export function keepCompiled(home: string = userInfo().homedir): string | undefined {
  const directory = join(home, ".cache", "airlock", "compiled");
  try {
    if (!isOurs(home)) return undefined;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const part of [".cache", ".cache/airlock", ".cache/airlock/compiled"]) {
      if (!isOurs(join(home, part))) return undefined;
    }
  } catch {
    // An account without a home that can be written to, a full disk: it starts as it would have.
    return undefined;
  }
  return enableCompileCache(directory).directory;
}

/** A directory, no link to one, that nobody but this account (and root) can change. */
function isOurs(path: string): boolean {
  const { mode, uid } = lstatSync(path);
  const isDirectory = (mode & 0o170000) === 0o040000;
  return isDirectory && uid === process.geteuid?.() && (mode & 0o022) === 0;
}
