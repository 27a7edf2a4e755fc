import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openPlaceAt, type PlacesHost } from "./places.ts";
import { removeTree } from "./remove.ts";
import type { Place } from "./sandbox.ts";

const prefix = "closed-";

/** Whether these are the fresh directories of one command, and not the run's own. */
export function isClosed(place: Place): boolean {
  return basename(dirname(place.tmp)).startsWith(prefix);
}

/**
 * Makes directories for one command beside those of its run: what it is given is mounted there, and what the run has made
 * is not. Those that a gateway left when it died are removed first.
 */
export async function openClosedPlace(host: PlacesHost, place: Place): Promise<Place> {
  const run = dirname(place.tmp);
  for (const name of readdirSync(run).filter((found) => found.startsWith(prefix))) {
    await removeTree(join(run, name), host.log);
  }
  return openPlaceAt(host, join(run, `${prefix}${randomUUID()}`), place);
}
