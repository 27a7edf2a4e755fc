import { closeSync, renameSync } from "node:fs";
import { join } from "node:path";
import { at, openDirectoryBelow, statBelow, TreeError } from "../base/below.ts";
import { newIncoming, removeSealed } from "./places.ts";
import { type Published, type Publisher, publish } from "./publish.ts";

/** A directory of a run that is to become a layer. */
export interface CaptureSource {
  /** An open directory of the run: its `/tmp` or `/workspace`. */
  root: number;
  /** Names below it, none of them empty, `.` or `..`. */
  path: string;
}

/**
 * Takes a directory away from a run and makes a layer of it. The run's own code must not be running. The directory is
 * moved before it is looked at, so that nothing of what is looked at can change; when it can be no layer it is moved
 * back and the reason told. Throws what is not the tree's doing: a full disk, an abort.
 */
export async function captureTree(
  publisher: Publisher,
  source: CaptureSource,
  signal: AbortSignal,
  onProgress?: (bytes: number) => void,
): Promise<Published> {
  const names = source.path.split("/");
  const own = Buffer.from(names.pop() ?? "");
  let parent: number;
  try {
    parent = openDirectoryBelow(source.root, names.join("/"));
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    return { ok: false, reason: "there is no such directory, or a link is on the way to it" };
  }
  try {
    const stats = statBelow(parent, own);
    if (stats === undefined) return { ok: false, reason: "there is no such directory" };
    if (stats.isSymbolicLink()) return { ok: false, reason: "it is a symlink" };
    if (!stats.isDirectory()) return { ok: false, reason: "it is no directory" };
    const incoming = newIncoming(publisher.places);
    const tree = join(incoming, "tree");
    try {
      renameSync(at(parent, own), tree);
    } catch (error) {
      removeSealed(incoming);
      if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
      return { ok: false, reason: "it is on another filesystem than the layers" };
    }
    return await publishOrReturn(publisher, incoming, { parent, own }, signal, onProgress);
  } finally {
    closeSync(parent);
  }
}

async function publishOrReturn(
  publisher: Publisher,
  incoming: string,
  { parent, own }: { parent: number; own: Buffer },
  signal: AbortSignal,
  onProgress: ((bytes: number) => void) | undefined,
): Promise<Published> {
  let published: Published;
  try {
    published = await publish(publisher, incoming, signal, onProgress);
  } catch (error) {
    removeSealed(incoming);
    throw error;
  }
  if (published.ok) return published;
  renameSync(join(incoming, "tree"), at(parent, own));
  removeSealed(incoming);
  return published;
}
