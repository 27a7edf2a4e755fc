import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseRefused } from "./migrate.ts";

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
  const real = realpathSync(dir);
  refuseReadOnly(real);
  return real;
}

/**
 * What cannot be written is found out now and by name, not by the first run. A file of our own with the wrong mode is
 * no reason: whoever opens it puts that right.
 */
function refuseReadOnly(dir: string): void {
  for (const path of [dir, join(dir, "airlock.db"), join(dir, "lock.db")]) {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    try {
      accessSync(path, constants.W_OK);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EROFS") {
        throw new DatabaseRefused(
          `Cannot write "${path}": its filesystem is mounted read-only. Mount it writable, or choose another ` +
            "directory with AIRLOCK_DATA_DIR",
        );
      }
      const isOwnFile = stats.isFile() && stats.uid === process.getuid?.();
      if (isOwnFile) continue;
      throw new DatabaseRefused(
        `Cannot write "${path}": uid ${process.getuid?.()} may not (owner ${stats.uid}, mode ` +
          `${(stats.mode & 0o7777).toString(8)}). Give it to that user (chown), or choose another directory with ` +
          "AIRLOCK_DATA_DIR",
        { cause: error },
      );
    }
  }
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
