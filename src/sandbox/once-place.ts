import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { openCacheAt, openPlaceAt, type PlacesHost } from "./places.ts";
import { removeTree } from "./remove.ts";
import type { Place } from "./sandbox.ts";

/** How directories for one command begin, in the directory of their run. */
export const oncePrefix = "once-";

/** Directories for one command beside those of its run: what the run has made is not in them. */
export async function openClosedPlace(host: PlacesHost, place: Place): Promise<Place> {
  return { ...openPlaceAt(host, await freshDirectory(host, place), place), once: true };
}

/** The run's own directories, with a cache that nothing of the run has written to. */
export async function openFreshCache(host: PlacesHost, place: Place): Promise<Place> {
  return {
    ...place,
    cache: openCacheAt(host, await freshDirectory(host, place), place),
    once: true,
  };
}

export async function removeOnce(host: PlacesHost, { cache }: Place): Promise<void> {
  await removeTree(dirname(cache), host.log);
}

/** Those that a gateway left when it died are removed first. */
async function freshDirectory(host: PlacesHost, place: Place): Promise<string> {
  const run = dirname(place.tmp);
  for (const name of readdirSync(run).filter((found) => found.startsWith(oncePrefix))) {
    await removeTree(join(run, name), host.log);
  }
  return join(run, `${oncePrefix}${randomUUID()}`);
}
