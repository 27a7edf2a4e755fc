import { renameSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import { isMissing } from "./disk-errors.ts";
import type { Guard } from "./guard.ts";
import type { Leases } from "./leases.ts";
import {
  type LayerPlaces,
  layerDirectory,
  newIncoming,
  removeAside,
  removeSealed,
  syncDirectory,
} from "./places.ts";

/** Gives finished trees their names, one at a time for each name. */
export interface Naming {
  /**
   * Makes `incoming`, which is on disk as a whole, the layer of that digest. True when a sound one of that name was there,
   * which is the same one and stays; a damaged one is replaced, and removed once nobody uses it.
   */
  give(incoming: string, digest: string, signal: AbortSignal): Promise<boolean>;
  /** Resolves once what was replaced or not needed, and is not used any more, is gone. */
  cleared(): Promise<void>;
}

export interface NamingOptions {
  places: LayerPlaces;
  leases: Leases;
  guard: Guard;
  threads: Threads;
  log: Log;
}

export function openNaming({ places, leases, guard, threads, log }: NamingOptions): Naming {
  const going = new Map<string, Promise<unknown>>();
  const removals = new Set<Promise<void>>();

  async function give(incoming: string, digest: string, signal: AbortSignal): Promise<boolean> {
    const directory = layerDirectory(places, digest);
    // No sweep may take it between the look and the answer.
    const release = leases.hold(digest);
    try {
      if (await guard.isSound(digest, signal)) {
        // Young again: a sweep must not take it before this capture has written down that it is used.
        const now = new Date();
        utimesSync(directory, now, now);
        // Whoever renamed it may have died, or still be busy, before this.
        syncDirectory(places.root);
        // Nobody waits for it: removing a large tree takes longer than capturing it.
        remove(incoming, digest);
        return true;
      }
    } finally {
      release();
    }
    setAside(digest, directory);
    renameSync(incoming, directory);
    guard.forget(digest);
    syncDirectory(places.root);
    return false;
  }

  /** By one rename, so that a gateway that dies in the middle leaves no half layer under its name. */
  function setAside(digest: string, directory: string): void {
    const aside = newIncoming(places);
    try {
      renameSync(directory, join(aside, "damaged"));
    } catch (error) {
      removeSealed(aside);
      if (isMissing(error)) return;
      throw error;
    }
    log.warn({ digest }, "layers.replaced");
    void leases.retire(digest).then(() => remove(aside, digest));
  }

  function remove(aside: string, digest: string): void {
    const removal = removeAside({ threads }, aside)
      .catch((error: unknown) => log.error({ err: error, digest }, "layers.remains"))
      .finally(() => removals.delete(removal));
    removals.add(removal);
  }

  return {
    give(incoming, digest, signal) {
      const before = going.get(digest) ?? Promise.resolve();
      const turn = before.then(() => give(incoming, digest, signal));
      const settled = turn
        .catch(() => undefined)
        .then(() => {
          if (going.get(digest) === settled) going.delete(digest);
        });
      going.set(digest, settled);
      return turn;
    },
    cleared: async () => void (await Promise.all(removals)),
  };
}
