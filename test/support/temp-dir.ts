import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { chmod, lstat, mkdir, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/**
 * Makes a directory that other uids can walk through but not list (0711), as everything on the way to a sandbox's mounts
 * has to be, and removes it when the test is over, whatever modes a run left inside.
 */
export async function tempDir(name = "test"): Promise<string> {
  const dir = join(tmpdir(), `airlock-${name}-${randomUUID()}`);
  await mkdir(dir, { mode: 0o711 });
  await chmod(dir, 0o711);
  onTestFinished(() => removeTree(dir));
  return dir;
}

/** The same for a whole test process: made at once, removed at its exit. */
export function tempDirUntilExit(name: string): string {
  const dir = join(tmpdir(), `airlock-${name}-${randomUUID()}`);
  mkdirSync(dir, { mode: 0o711 });
  chmodSync(dir, 0o711);
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Removes a tree although its owner took the permission to: an ordinary user has to give it back first. */
export async function removeTree(dir: string): Promise<void> {
  const options = { recursive: true, force: true };
  try {
    // One after the other: what does it at the same time is still at work when it says that it failed.
    rmSync(dir, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    await openUp(dir);
    rmSync(dir, options);
  }
}

async function openUp(dir: string): Promise<void> {
  await chmod(dir, 0o700);
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    if ((await lstat(path)).isDirectory()) await openUp(path);
  }
}
