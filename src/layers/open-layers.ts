import { join } from "node:path";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import { captureTree } from "./capture.ts";
import type { TreeLimits } from "./found.ts";
import { openGuard, type Pause, type Verdict } from "./guard.ts";
import { importLayer } from "./import.ts";
import type { LayerTrees, LayerTreesOptions, OpenedLayer } from "./layers.ts";
import { openLeases } from "./leases.ts";
import { openNaming } from "./naming.ts";
import { layerDirectory, layersOf, openPlaces, removeAside } from "./places.ts";
import type { Publisher } from "./publish.ts";
import { openReaders } from "./readers.ts";
import { scrubLayers } from "./scrub.ts";
import { sweepLayers } from "./sweep.ts";

const treeLimits: TreeLimits = {
  entries: limits.layerEntries,
  fileBytes: limits.layerFileBytes,
  totalBytes: limits.layerTotalBytes,
  depth: limits.layerDepth,
  pathBytes: limits.layerPathBytes,
};

/**
 * Opens the layers below a data directory, and begins to remove what an earlier gateway was in the middle of; a sweep waits
 * for that. Layers belong to the gateway when it is root and so may give files away; else all files are its own anyway.
 */
export function openLayers(options: LayerTreesOptions): LayerTrees {
  const { clock, log, threads, syncFilesystem } = options;
  const { places, remains } = openPlaces(options.dataDir);
  const cleared = clear(remains, threads, log);
  const leases = openLeases();
  const owner = process.getuid?.() === 0 ? { uid: 0, gid: 0 } : null;
  const guard = openGuard({ places, threads, clock, log, uid: owner?.uid ?? null });
  const naming = openNaming({ places, leases, guard, threads, log });
  const publisher: Publisher = {
    places,
    threads,
    limits: treeLimits,
    naming,
    owner,
    syncFilesystem,
  };

  async function open(digest: string, signal?: AbortSignal): Promise<OpenedLayer> {
    const release = leases.hold(digest);
    try {
      await guard.check(digest, signal);
    } catch (error) {
      release();
      throw error;
    }
    return { digest, tree: join(layerDirectory(places, digest), "tree"), release };
  }

  async function verify(digest: string, signal?: AbortSignal, pause?: Pause): Promise<Verdict> {
    const release = leases.hold(digest);
    try {
      return await guard.verify(digest, signal, pause);
    } finally {
      release();
    }
  }

  const list = () => layersOf(places);
  return {
    capture: (source, signal, onProgress) => captureTree(publisher, source, signal, onProgress),
    import: (source, wanted, signal) => importLayer(publisher, source, wanted, signal),
    open,
    verify: (digest, signal) => verify(digest, signal),
    ...openReaders(open, guard),
    list,
    async sweep(wanted, signal) {
      await Promise.all([cleared, naming.cleared()]);
      const gone = await sweepLayers({ places, leases, threads }, wanted, signal);
      for (const digest of gone) guard.forget(digest);
      return gone;
    },
    scrub: (signal, onDamaged) => scrubLayers({ list, verify, clock }, signal, onDamaged),
  };
}

/** Removes what an earlier gateway was in the middle of; what cannot be removed is told, and tried again by the next. */
async function clear(remains: string[], threads: Threads, log: Log): Promise<void> {
  for (const path of remains) {
    try {
      await removeAside({ threads }, path);
    } catch (error) {
      log.error({ err: error, path }, "layers.remains");
    }
  }
}
