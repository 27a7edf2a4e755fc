import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../base/log.ts";
import { isSmallTree, removeTree } from "./remove.ts";

/** As many as may wait for their removal; more are removed while whoever asks waits. */
const waitingMax = 32;

/** Directories of runs that nobody waits for any more. */
export interface Removals {
  /**
   * Takes a run's directory out of the reach of every run, and removes it: one of a few files a moment later, since a disk may
   * take longer to forget a directory than a command takes to run. False when something is left where it was.
   */
  remove(path: string): Promise<boolean>;
  /** Removes what a gateway left here when it died. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the place in the data directory where directories wait for their removal. */
export function openRemovals(dataDir: string, log: Log): Removals {
  const aside = join(dataDir, "removed");
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  const waiting = new Map<string, Promise<void>>();

  async function removeAside(name: string): Promise<void> {
    const path = join(aside, name);
    try {
      await rm(path, { recursive: true, force: true });
    } catch {
      // What an ordinary user may not remove is opened up first. What is left then waits for the next start.
      if (!(await removeTree(path, log))) log.error({ path }, "sandbox.removal_left");
    } finally {
      waiting.delete(name);
    }
  }

  return {
    async remove(path) {
      if (!existsSync(path)) return true;
      if (waiting.size >= waitingMax || !isSmallTree(path)) return removeTree(path, log);
      const name = randomUUID();
      try {
        renameSync(path, join(aside, name));
      } catch (error) {
        log.warn({ path, err: error }, "sandbox.not_aside");
        return removeTree(path, log);
      }
      waiting.set(name, removeAside(name));
      return true;
    },
    async sweep() {
      const left = readdirSync(aside).filter((name) => !waiting.has(name));
      for (const name of left) await removeTree(join(aside, name), log);
    },
    async close() {
      await Promise.all(waiting.values());
    },
  };
}
