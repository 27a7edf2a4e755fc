import type { Log } from "../base/log.ts";
import type { Artifact } from "../contract/artifact.ts";
import { Problem } from "../contract/problem.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Inventory } from "./artifacts.ts";
import { type ArtifactRooms, createArtifact } from "./create-artifact.ts";
import { exportOci } from "./export-oci.ts";
import { exportZip } from "./export-zip.ts";
import { layerInventory } from "./layer-inventory.ts";
import { pageOf } from "./pages.ts";
import { soundArtifact } from "./sound.ts";
import { openSpool } from "./spool.ts";

export interface InventoryOptions extends ArtifactRooms {
  dataDir: string;
  layers: LayerTrees;
  log: Log;
}

/**
 * Opens the inventory over rooms that are open already. Below the data directory it keeps `exports/`, for what an export
 * has to write down before it can send it; whatever an earlier gateway left there is removed.
 */
export function openInventory(options: InventoryOptions): Inventory {
  const { store, blobs, layers, clock, log } = options;
  const spool = openSpool(options.dataDir, log);

  async function artifactOf(workspaceId: string, idOrRef: string): Promise<Artifact> {
    const artifact = await store.artifacts.get(workspaceId, idOrRef, null);
    if (artifact) return soundArtifact(artifact);
    throw new Problem("not_found", `There is no artifact ${JSON.stringify(idOrRef)}`);
  }

  return {
    ...layerInventory({ store, layers, clock }),
    artifacts: (workspaceId, wanted) =>
      pageOf((page) => store.artifacts.list(workspaceId, page), wanted),
    async artifact(workspaceId, idOrRef) {
      const artifact = await artifactOf(workspaceId, idOrRef);
      return { artifact, proofs: await store.artifacts.proofs(workspaceId, artifact.id) };
    },
    createArtifact: (workspaceId, upload, uploads) =>
      createArtifact({ store, blobs, clock }, workspaceId, upload, uploads),
    async exportArtifact(workspaceId, idOrRef, format, signal) {
      const artifact = await artifactOf(workspaceId, idOrRef);
      if (format === "zip") {
        const stream = await exportZip(artifact, blobs, signal);
        return { filename: `${artifact.id}.zip`, contentType: "application/zip", stream };
      }
      const abis = await abisOf(workspaceId, artifact);
      const image = await exportOci({ workspaceId, artifact, abis, layers, blobs, spool }, signal);
      return { filename: `${artifact.id}.oci.tar`, contentType: "application/x-tar", ...image };
    },
    revokeRef: (workspaceId, ref) => store.artifacts.revokeRef(workspaceId, ref),
  };

  async function abisOf(workspaceId: string, { layers: held }: Artifact) {
    const known = await Promise.all(
      held.map(({ digest }) => store.layers.get(workspaceId, digest)),
    );
    return known.flatMap((layer) => (layer?.abi ? [layer.abi] : []));
  }
}
