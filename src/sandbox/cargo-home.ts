import { randomUUID } from "node:crypto";
import { closeSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import {
  at,
  type Owner,
  openDirectoryBelow,
  openRoot,
  statBelow,
  TreeError,
} from "../base/below.ts";
import { makeOwnRegistry } from "./cargo-registry.ts";
import type { Place, Surroundings } from "./sandbox.ts";

const registry = "/tmp/cargo_registry";
const inHome = Buffer.from("registry");

/**
 * Lets cargo keep what it downloads in `/tmp`, where a layer can be made of it: its home is in the cache, which is no
 * part of any layer. Only for a command that can download, or that has such a layer: others have no use for it.
 */
export function keepRegistryInTmp(
  place: Pick<Place, "tmp" | "cache">,
  { mounts, network }: Surroundings,
  owner: Owner | undefined,
): void {
  const layer = mounts.find(({ target }) => target === registry);
  if (network === null && layer === undefined) return;
  const create = { mode: 0o755, owner };
  try {
    within(place.tmp, (root) => closeSync(openDirectoryBelow(root, "cargo_registry", create)));
    within(place.cache, (root) => {
      const home = openDirectoryBelow(root, "cargo", create);
      try {
        const own = layer && owner && makeOwnRegistry(home, layer.source, registry, owner);
        const target = own ?? registry;
        const stats = statBelow(home, inHome);
        if (stats?.isSymbolicLink() && readlinkSync(at(home, inHome)) === target) return;
        if (stats?.isSymbolicLink()) unlinkSync(at(home, inHome));
        else if (stats) {
          renameSync(at(home, inHome), at(home, Buffer.from(`registry-${randomUUID()}`)));
        }
        symlinkSync(target, at(home, inHome));
      } finally {
        closeSync(home);
      }
    });
  } catch (error) {
    // What the run itself has laid in the way is in nobody's way but its own.
    if (!(error instanceof TreeError)) throw error;
  }
}

function within(directory: string, work: (root: number) => void): void {
  const root = openRoot(directory);
  try {
    work(root);
  } finally {
    closeSync(root);
  }
}
