import { closeSync, existsSync, lstatSync, renameSync } from "node:fs";
import { join } from "node:path";
import { at, openDirectoryBelow, statBelow, TreeError } from "../base/below.ts";
import { asStorageProblem, errorCode } from "./disk-errors.ts";
import { newIncoming, removeAside } from "./places.ts";
import { type Published, type Publisher, publish } from "./publish.ts";
import { unseal, unsealThread } from "./unseal.ts";

/** A directory of a run that is to become a layer. */
export interface CaptureSource {
  /** An open directory of the run: its `/tmp` or `/workspace`. */
  root: number;
  /** Names below it, none of them empty, `.` or `..`. */
  path: string;
}

const unsealTask = { module: unsealThread, work: unseal };

/**
 * Takes a directory away from a run and makes a layer of it. The run's own code must not be running. The directory is
 * moved before it is looked at, so that nothing of what is looked at can change; when it can be no layer it is moved
 * back and the reason told. Throws what is not the tree's doing, a full disk or an abort: it is the run's own again then,
 * with modes that it can work with.
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
      await removeAside(publisher, incoming);
      if (errorCode(error) !== "EXDEV") throw error;
      return { ok: false, reason: "it is on another filesystem than the layers" };
    }
    return await publishOrReturn(publisher, incoming, { parent, own }, signal, onProgress);
  } finally {
    closeSync(parent);
  }
}

/** Whatever is no layer in the end is given back to the run. */
async function publishOrReturn(
  publisher: Publisher,
  incoming: string,
  { parent, own }: { parent: number; own: Buffer },
  signal: AbortSignal,
  onProgress: ((bytes: number) => void) | undefined,
): Promise<Published> {
  const tree = join(incoming, "tree");
  const { uid, gid } = lstatSync(tree);
  let published: Published;
  try {
    published = await publish(publisher, incoming, signal, { onProgress, isWhole: false });
  } catch (error) {
    if (existsSync(tree)) {
      const owner = publisher.owner && { uid, gid };
      await publisher.threads.run(unsealTask, { root: tree, owner });
      renameSync(tree, at(parent, own));
      await removeAside(publisher, incoming);
    }
    throw asStorageProblem(error);
  }
  if (published.ok) return published;
  renameSync(tree, at(parent, own));
  await removeAside(publisher, incoming);
  return published;
}
