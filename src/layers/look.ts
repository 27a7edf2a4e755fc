/**
 * What a thread sees of a layer on disk. Nobody but the gateway's own user can write there, so what is guarded against
 * is an accident or a tampering of that user: a look tells whether anything was touched, a reading whether it was changed.
 */
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, type Stats } from "node:fs";
import { join } from "node:path";
import { isMissing } from "./disk-errors.ts";
import { fullPath } from "./found.ts";
import { digestOf, pathsOf } from "./manifest.ts";

/** Where a thread finds the functions of this file. */
export const lookThread = import.meta.url;

/** Files beside the tree of a layer. */
export const manifestName = "manifest";
export const fingerprintName = "fingerprint";
export const quarantineName = "quarantined";

export interface LayerOnDisk {
  /** Holds `tree`, `manifest`, `fingerprint` and perhaps `quarantined`. */
  directory: string;
  digest: string;
}

export type Look =
  | { state: "missing" }
  /** It was found damaged before. */
  | { state: "quarantined"; reason: string }
  | { state: "damaged"; reason: string }
  /** Something of it was touched, which a restored backup is too: only reading tells whether it is damaged. */
  | { state: "touched"; fingerprint: string }
  | { state: "sound" };

/** Looks at every entry of a layer, and reads none. */
export function lookAtLayer({ directory, digest }: LayerOnDisk): Look {
  if (lstatSync(directory, { throwIfNoEntry: false }) === undefined) return { state: "missing" };
  const marker = optionalFile(join(directory, quarantineName));
  if (marker !== undefined) return { state: "quarantined", reason: marker.toString("utf8") };
  const manifest = optionalFile(join(directory, manifestName));
  if (manifest === undefined) return { state: "damaged", reason: "its manifest is missing" };
  if (digestOf(manifest) !== digest) {
    return { state: "damaged", reason: "its manifest is not the one that names it" };
  }
  const fingerprint = fingerprintOf({ tree: join(directory, "tree"), manifest });
  if (fingerprint === undefined) return { state: "damaged", reason: "an entry of it is missing" };
  const kept = optionalFile(join(directory, fingerprintName))?.toString("latin1");
  return kept === fingerprint ? { state: "sound" } : { state: "touched", fingerprint };
}

/**
 * Inode, size and times of the tree and of every entry of it, as one digest; undefined when one is missing. The time of
 * the last change of an inode cannot be set by anybody, so what was written to, replaced or given another mode shows.
 */
function fingerprintOf(layer: { tree: string; manifest: Buffer }): string | undefined {
  const hash = createHash("sha256");
  const options = { throwIfNoEntry: false } as const;
  for (const path of ["", ...pathsOf(layer.manifest)]) {
    const stats = lstatSync(fullPath(layer.tree, path), options);
    if (stats === undefined) return undefined;
    hash.update(statLine(stats));
  }
  return hash.digest("hex");
}

/** What the fingerprint of a layer holds of one entry. Times are exact to a quarter of a microsecond, as numbers are. */
export function statLine({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mtimeMs} ${ctimeMs};`;
}

export function optionalFile(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
