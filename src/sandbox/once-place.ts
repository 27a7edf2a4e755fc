import { randomUUID } from "node:crypto";
import { closeSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { openDirectoryBelow, openRoot } from "../base/below.ts";
import {
  openCacheAt,
  openPlaceAt,
  openTemporary,
  type PlacesHost,
  placeAt,
  verified,
} from "./places.ts";
import { removeTree } from "./remove.ts";
import type { ClosedFile, ClosedPlace, Place } from "./sandbox.ts";

/** How directories for one command begin, in the directory of their run. */
export const oncePrefix = "once-";

/** Directories for one command beside those of its run: what the run has made is not in them. */
export async function openClosedPlace(
  host: PlacesHost,
  place: Place,
  files: readonly ClosedFile[],
): Promise<ClosedPlace> {
  const directory = await freshDirectory(host, place);
  const closed: Place = { ...openPlaceAt(host, directory, place), once: true };
  const root = openRoot(directory);
  try {
    // The gateway's own: the run's uid may read and pass, and nothing else.
    closeSync(openDirectoryBelow(root, "files", { mode: 0o755, owner: undefined }));
    const temporary = openTemporary(root);
    try {
      for (const { path, executable, sha256, read } of files) {
        const mode = executable ? 0o555 : 0o444;
        const data = verified(path, sha256, read);
        await placeAt(root, `files/${path}`, data, { mode, owner: undefined, temporary });
      }
    } finally {
      closeSync(temporary);
    }
  } finally {
    closeSync(root);
  }
  const tops = new Set(files.map(({ path }) => path.split("/")[0] ?? ""));
  const source = join(directory, "files");
  const mounts = [...tops].map((top) => ({ source: join(source, top), target: `/tmp/${top}` }));
  return { place: closed, files: source, mounts };
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
