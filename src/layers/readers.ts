import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Problem } from "../contract/problem.ts";
import type { Guard } from "./guard.ts";
import { writeImageLayer } from "./image-layer.ts";
import type { LayerEntry } from "./layer-entry.ts";
import type { LayerTrees } from "./layers.ts";
import { manifestName } from "./look.ts";
import { readManifestInTurns } from "./manifest.ts";
import { sbomOf } from "./sbom.ts";
import { packed } from "./unpack.ts";

/** All that reads from a layer and changes nothing. The layer is held meanwhile; found damaged, it is quarantined. */
export function openReaders(
  open: LayerTrees["open"],
  guard: Guard,
): Pick<LayerTrees, "entries" | "pack" | "image" | "sbom"> {
  /** Opens a layer with all that is in it. */
  async function openListed(digest: string, signal: AbortSignal | undefined) {
    const layer = await open(digest, signal);
    try {
      const manifest = await readFile(join(layer.tree, "..", manifestName));
      return { ...layer, entries: await readManifestInTurns(manifest, signal) };
    } catch (error) {
      layer.release();
      throw error;
    }
  }

  /** What is found damaged while it is read is not used again. */
  function noticed(digest: string, error: unknown): unknown {
    const isDamage = error instanceof Problem && error.code === "digest_mismatch";
    if (isDamage) guard.quarantine(digest, error.message);
    return error;
  }

  async function reading<T>(
    digest: string,
    signal: AbortSignal | undefined,
    read: (tree: string, entries: LayerEntry[]) => Promise<T>,
  ): Promise<T> {
    const { tree, entries, release } = await openListed(digest, signal);
    try {
      return await read(tree, entries);
    } catch (error) {
      throw noticed(digest, error);
    } finally {
      release();
    }
  }

  async function* pack(digest: string, signal?: AbortSignal): AsyncGenerator<Buffer, void> {
    const { tree, entries, release } = await openListed(digest, signal);
    try {
      yield* packed(tree, entries, signal);
    } catch (error) {
      throw noticed(digest, error);
    } finally {
      release();
    }
  }

  return {
    entries: (digest, signal) => reading(digest, signal, async (_tree, entries) => entries),
    pack,
    image: (digest, write, wanted) =>
      reading(digest, wanted.signal, (tree, entries) =>
        writeImageLayer(tree, entries, write, wanted),
      ),
    sbom: (digest, signal) =>
      reading(digest, signal, (tree, entries) => sbomOf(tree, entries, digest, signal)),
  };
}
