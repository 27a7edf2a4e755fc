import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { dirname, join } from "node:path";

const dirMode = 0o710;
const fileMode = 0o600;

/**
 * Makes the data directory, with its parents, when it is not there, and returns its real path. 0710: the group of the
 * runs may pass through it to what is mounted for them, and nobody but the owner may list it. A directory that is
 * there keeps the mode its operator gave it.
 */
export function makeDataDir(dir: string): string {
  const first = mkdirSync(dir, { recursive: true, mode: dirMode });
  if (first !== undefined) {
    // A strict umask would have taken the group's bit away.
    let made = dir;
    chmodSync(made, dirMode);
    while (made !== first && dirname(made) !== made) {
      made = dirname(made);
      chmodSync(made, dirMode);
    }
    syncDir(dirname(first));
  }
  return realpathSync(dir);
}

/** Makes an empty file that only its owner can read. Whoever else made it in the meantime has made the same one. */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", fileMode));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

/** Makes a rename or a new file in the directory survive a power cut. */
export function syncDir(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Removes what a start that died while it made its database has left. Call it under the lock. */
export function sweepUnfinished(dir: string, suffix: string): void {
  for (const name of readdirSync(dir)) {
    if (name.startsWith("airlock.db.") && name.includes(suffix)) rmSync(join(dir, name));
  }
}
