import { existsSync, lstatSync, mkdirSync } from "node:fs";
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
export function keepCompiled(home?: string): string | undefined {
  const directory = prepare(home);
  return directory === undefined ? undefined : enableCompileCache(directory).directory;
}

function prepare(given: string | undefined): string | undefined {
  try {
    let directory = given ?? userInfo().homedir;
    if (!isOurs(directory)) return undefined;
    for (const part of [".cache", "airlock", "compiled"]) {
      directory = join(directory, part);
      if (!existsSync(directory)) mkdirSync(directory, { mode: 0o700 });
      if (!isOurs(directory)) return undefined;
    }
    return directory;
  } catch {
    // No entry in that table, no home that can be written to, a full disk: it starts as it would have.
    return undefined;
  }
}

/** A directory, no link to one, that nobody but this account (and root) can change. */
function isOurs(path: string): boolean {
  const { mode, uid } = lstatSync(path);
  const isDirectory = (mode & 0o170000) === 0o040000;
  return isDirectory && uid === process.geteuid?.() && (mode & 0o022) === 0;
}
