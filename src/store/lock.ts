import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Problem } from "../contract/problem.ts";
import { createPrivateFile } from "./data-dir.ts";
import { isBusy } from "./sqlite-errors.ts";

export interface DataDirLock {
  release(): void;
}

/**
 * Takes the data directory for this process (I4). The lock is the kernel's, held through an empty SQLite file, so it
 * ends with the process however that ends: there is no pid file to go stale. Throws `data_dir_locked`.
 *
 * Nothing in this process may open `lock.db` in another way: closing any descriptor of a file drops the POSIX locks that
 * the process has on it.
 */
export function lockDataDir(dir: string): DataDirLock {
  const path = join(dir, "lock.db");
  if (!existsSync(path)) createPrivateFile(path);
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    // Nothing is ever written here, so there is nothing that a journal could bring back.
    db.exec("PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (!isBusy(error)) throw error;
    const pid = holderOf(path);
    const holder = pid === undefined ? "another gateway" : `another gateway (pid ${pid})`;
    throw new Problem(
      "data_dir_locked",
      `The data directory "${dir}" is in use by ${holder}: stop it, or choose another directory`,
      { dir, ...(pid === undefined ? {} : { pid }) },
    );
  }
  return { release: () => db.close() };
}

/** Who holds the lock, as far as the kernel tells: only Linux does, and only within one pid namespace. */
function holderOf(path: string): number | undefined {
  if (!existsSync("/proc/locks")) return undefined;
  const { dev, ino } = statSync(path);
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
    const [, , , kind, pid, locked] = line.trim().split(/\s+/);
    if (kind === "WRITE" && locked === file && Number(pid) > 0) return Number(pid);
  }
  return undefined;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}
