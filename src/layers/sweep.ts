import { lstatSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { Threads } from "../base/threads.ts";
import type { Leases } from "./leases.ts";
import {
  type LayerPlaces,
  layerDirectory,
  layersOf,
  newIncoming,
  removeAside,
  syncDirectory,
} from "./places.ts";

/** Who takes layers away, and what must not be taken. */
export interface Sweeper {
  places: LayerPlaces;
  leases: Leases;
  threads: Threads;
}

/**
 * Removes the layers that are neither in `keep` nor held, and that were last captured before `before` (milliseconds):
 * the row of a younger one may not be written yet. Returns the digests that are gone.
 */
export async function sweepLayers(
  sweeper: Sweeper,
  { keep, before }: { keep: ReadonlySet<string>; before: number },
  signal: AbortSignal,
): Promise<string[]> {
  const gone: string[] = [];
  for (const digest of layersOf(sweeper.places)) {
    if (!keep.has(digest) && (await takeAway(sweeper, digest, before, signal))) gone.push(digest);
  }
  return gone;
}

/**
 * The name goes first, by one rename: a gateway that dies in the middle of the rest has no half layer, and removes what
 * is left at its next start. Looking and renaming are one step, so that nobody can begin to hold it in between.
 */
async function takeAway(
  { places, leases, threads }: Sweeper,
  digest: string,
  before: number,
  signal: AbortSignal,
): Promise<boolean> {
  signal.throwIfAborted();
  const directory = layerDirectory(places, digest);
  const stats = lstatSync(directory, { throwIfNoEntry: false });
  if (stats === undefined || stats.mtimeMs >= before || leases.isHeld(digest)) return false;
  const incoming = newIncoming(places);
  renameSync(directory, join(incoming, "gone"));
  syncDirectory(places.root);
  await removeAside({ threads }, incoming);
  return true;
}
