import { createHash } from "node:crypto";
import { closeSync, createReadStream } from "node:fs";
import { dirname } from "node:path";
import { openDirectoryBelow, openFileBelow, openRoot, statBelow, TreeError } from "../base/tree.ts";
import { ownerOf } from "./identity.ts";
import { openTemporary, type PlacesHost, placeAt, verified } from "./places.ts";
import type { Place, Staged, StageRequest } from "./sandbox.ts";

/**
 * Places content as writable copies at `/tmp/<name>`. What is there decides: nothing, or an older
 * copy that the run left alone, is replaced; a copy that the run changed stays, unless the content
 * is newer; whatever is not a plain file is refused. Only while nothing of the run is running, so
 * between looking and placing nothing changes.
 */
export async function stageContent(
  host: PlacesHost,
  place: Place,
  requests: StageRequest[],
): Promise<Staged> {
  const staged: Staged = { placed: [], kept: [], refused: [] };
  const run = openRoot(dirname(place.tmp));
  const tmp = openRoot(place.tmp);
  try {
    const temporary = openTemporary(run);
    try {
      const options = { mode: 0o644, owner: ownerOf(host.identity, place.uid), temporary };
      for (const request of requests) {
        await stageOne(tmp, request, options, staged);
      }
    } finally {
      closeSync(temporary);
    }
  } finally {
    closeSync(tmp);
    closeSync(run);
  }
  return staged;
}

async function stageOne(
  tmp: number,
  request: StageRequest,
  options: Parameters<typeof placeAt>[3],
  staged: Staged,
): Promise<void> {
  const { name, sha256 } = request;
  try {
    const found = await digestAt(tmp, name);
    if (found === sha256) return;
    const changed = found !== undefined && !request.placedBefore.includes(found);
    if (changed && !request.newer) {
      staged.kept.push(name);
      return;
    }
    await placeAt(tmp, name, verified(name, sha256, request.read), options);
    staged.placed.push({ name, sha256 });
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    staged.refused.push({ name, reason: reasonOf(error) });
  }
}

/**
 * What is at the name now: undefined when nothing is, `unreadable` for a file that nobody may read.
 */
async function digestAt(tmp: number, name: string): Promise<string | undefined> {
  const names = name.split("/");
  const last = names.pop() ?? "";
  let directory: number;
  try {
    directory = openDirectoryBelow(tmp, names.join("/"));
  } catch (error) {
    if (error instanceof TreeError && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const stats = statBelow(directory, last);
    if (stats === undefined) return undefined;
    if (stats.isDirectory()) throw new TreeError("EISDIR", "A directory is in the way");
    if (stats.isSymbolicLink()) throw new TreeError("ELOOP", "A link is in the way");
    if (!stats.isFile()) throw new TreeError("ENXIO", "A special file is in the way");
    return await digestOfFile(directory, last);
  } finally {
    closeSync(directory);
  }
}

async function digestOfFile(directory: number, name: string): Promise<string> {
  let fd: number;
  try {
    fd = openFileBelow(directory, name);
  } catch (error) {
    if (error instanceof TreeError && error.code === "EACCES") return "unreadable";
    throw error;
  }
  const hash = createHash("sha256");
  // The stream closes the descriptor. A piece at a time: the run may have made the file as large as
  // its disk.
  for await (const chunk of createReadStream("", { fd })) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

function reasonOf(error: TreeError): string {
  switch (error.code) {
    case "EISDIR":
      return "A directory of the run is in the way";
    case "ELOOP":
    case "ENOTDIR":
      return "A link or a file of the run is in the way";
    case "ENXIO":
      return "A special file of the run is in the way";
    case "EINVAL":
      return "The name is no relative path";
    default:
      return `The place cannot be used (${error.code})`;
  }
}
