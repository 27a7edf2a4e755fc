import { closeSync, existsSync, fchmodSync, lstatSync, renameSync } from "node:fs";
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
    const refusal = refusalOf(stats);
    if (refusal !== undefined) return { ok: false, reason: refusal };
    const incoming = newIncoming(publisher.places);
    const tree = join(incoming, "tree");
    try {
      // A directory that changes its place is written to, since `..` is in it.
      if ((Number(stats.mode) & 0o200) === 0) allowMove(parent, own, Number(stats.mode));
      renameSync(at(parent, own), tree);
    } catch (error) {
      await removeAside(publisher, incoming);
      const reason = unmovable[errorCode(error) ?? ""];
      if (reason === undefined) throw asStorageProblem(error);
      return { ok: false, reason };
    }
    return await publishOrReturn(publisher, incoming, { parent, own }, signal, onProgress);
  } finally {
    closeSync(parent);
  }
}

const unmovable: Record<string, string> = {
  EXDEV: "it is on another filesystem than the layers",
  EACCES: "its owner has locked it",
};

function allowMove(parent: number, name: Buffer, mode: number): void {
  const fd = openDirectoryBelow(parent, name);
  try {
    fchmodSync(fd, (mode & 0o777) | 0o200);
  } finally {
    closeSync(fd);
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
  const stats = lstatSync(tree);
  const { uid, gid } = stats;
  // Looked at again where only the gateway can reach it: it may have become another between the look and the move, and
  // through a link the files of somebody else would be made the gateway's own.
  const refusal = refusalOf(stats);
  const options = { onProgress, isWhole: false };
  let published: Published;
  try {
    published =
      refusal === undefined
        ? await publish(publisher, incoming, signal, options)
        : { ok: false, reason: refusal };
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

function refusalOf(stats: { isSymbolicLink(): boolean; isDirectory(): boolean }) {
  if (stats.isSymbolicLink()) return "it is a symlink";
  return stats.isDirectory() ? undefined : "it is no directory";
}
