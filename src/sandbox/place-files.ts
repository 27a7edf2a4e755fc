import { createHash, randomUUID } from "node:crypto";
import { closeSync, readdirSync, readSync, renameSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { at, openDirectoryBelow, openRoot, statBelow, TreeError } from "../base/below.ts";
import { walkTree } from "../base/tree.ts";
import { Problem } from "../contract/problem.ts";
import { ownerOf } from "./identity.ts";
import { oncePrefix } from "./once-place.ts";
import { openTemporary, type PlacesHost, placeAt } from "./places.ts";
import { removeTree } from "./remove.ts";
import type { ListedEntry, Listing, Place, WrittenFile } from "./sandbox.ts";

const areas = ["tmp", "workspace"] as const;

/** Makes the directory of a socket of the run, on the way to which only the run's own uid may pass. */
export function openSocketDirectory(
  host: PlacesHost,
  place: Place,
  name: "egress" | "sdk",
): string {
  const owner = ownerOf(host.identity, place.uid);
  const root = openRoot(dirname(place.tmp));
  try {
    closeSync(openDirectoryBelow(root, name, { mode: 0o700, owner }));
  } finally {
    closeSync(root);
  }
  return join(dirname(place.tmp), name);
}

/** What lies in the run's directories; undefined when it is more than `most`, or cannot all be read. */
export function listPlace(
  place: Place,
  most: { entries: number; bytes: number },
): Listing | undefined {
  const listing: Listing = new Map();
  let bytes = 0;
  for (const area of areas) {
    for (const entry of walkTree(place[area], { maxEntries: most.entries + 1 })) {
      const { type, size, mode } = entry;
      if (type !== "file" && type !== "directory" && type !== "symlink") return undefined;
      bytes += type === "file" ? size : 0;
      if (listing.size >= most.entries || bytes > most.bytes) return undefined;
      const sha256 =
        type === "directory"
          ? null
          : type === "symlink"
            ? createHash("sha256").update(entry.readLink()).digest("hex")
            : digestOf(entry.open());
      const executable = type === "file" && (mode & 0o100) !== 0;
      const listed: ListedEntry = { type, executable, sha256, bytes: type === "file" ? size : 0 };
      listing.set(`/${area}/${entry.path.toString("latin1")}`, listed);
    }
  }
  return listing;
}

function digestOf(fd: number): string {
  try {
    const hash = createHash("sha256");
    const buffer = Buffer.allocUnsafe(64 * 1024);
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, read));
    }
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

/** Writes files as the run's own. */
export async function writeFiles(
  host: PlacesHost,
  place: Place,
  files: readonly WrittenFile[],
): Promise<void> {
  const owner = ownerOf(host.identity, place.uid);
  const run = openRoot(dirname(place.tmp));
  try {
    const temporary = openTemporary(run);
    try {
      for (const { path, data, executable } of files) {
        const { area, names } = partsOf(path);
        const root = openRoot(place[area]);
        try {
          const options = { mode: executable ? 0o755 : 0o644, owner, temporary };
          await placeAt(root, names.join("/"), [data], options);
        } catch (error) {
          throw inTheWay(path, error);
        } finally {
          closeSync(root);
        }
      }
    } finally {
      closeSync(temporary);
    }
  } finally {
    closeSync(run);
  }
}

/**
 * Empties a directory, or takes away what is there in place of one: moved by descriptor to where the run cannot reach it,
 * then removed. A directory that was there is there again, empty, unless it is `isLayer`: then it was only where a layer is
 * mounted. A link on the way to it means that there is nothing.
 */
export async function clearPath(
  host: PlacesHost,
  place: Place,
  path: string,
  isLayer: boolean,
): Promise<boolean> {
  const { area, names } = partsOf(path);
  const own = Buffer.from(names.pop() ?? "");
  const root = openRoot(place[area]);
  const aside = join(dirname(place.tmp), `${oncePrefix}${randomUUID()}`);
  try {
    const parent = openDirectoryBelow(root, names.join("/"));
    try {
      const stats = statBelow(parent, own);
      if (stats === undefined) return false;
      if (stats.isDirectory() && isEmpty(parent, own)) {
        if (isLayer) rmdirSync(at(parent, own));
        return false;
      }
      renameSync(at(parent, own), aside);
      const create = { mode: 0o755, owner: ownerOf(host.identity, place.uid) };
      if (stats.isDirectory() && !isLayer) closeSync(openDirectoryBelow(parent, own, create));
    } finally {
      closeSync(parent);
    }
  } catch (error) {
    if (error instanceof TreeError) return false;
    throw error;
  } finally {
    closeSync(root);
  }
  await removeTree(aside, host.log);
  return true;
}

function isEmpty(parent: number, name: Buffer): boolean {
  const directory = openDirectoryBelow(parent, name);
  try {
    return readdirSync(`/proc/self/fd/${directory}`, { encoding: "buffer" }).length === 0;
  } finally {
    closeSync(directory);
  }
}

function partsOf(path: string): { area: (typeof areas)[number]; names: string[] } {
  const [, first, ...names] = path.split("/");
  const area = areas.find((one) => one === first);
  const isSound = names.length > 0 && names.every((name) => !["", ".", ".."].includes(name));
  if (area === undefined || !isSound) {
    const message = `Cannot use ${JSON.stringify(path)}: expected a path below /tmp or /workspace`;
    throw new Problem("invalid_request", message, { path });
  }
  return { area, names };
}

function inTheWay(path: string, cause: unknown): unknown {
  if (!(cause instanceof TreeError)) return cause;
  const message = `Cannot write ${JSON.stringify(path)}: a link or a directory is in the way`;
  return new Problem("invalid_request", message, { path }, { cause });
}
