import { Readable } from "node:stream";
import type { Clock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Layer } from "../contract/layer.ts";
import { Problem } from "../contract/problem.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Store } from "../store/store.ts";
import type { Inventory } from "./artifacts.ts";
import { pageOf } from "./pages.ts";

type LayerMethods =
  | "layers"
  | "layer"
  | "sbom"
  | "verifyLayer"
  | "exportLayer"
  | "importLayer"
  | "removeLayer";

/** What a workspace has of layers: rows of the store say which, trees on disk are what they are. */
export function layerInventory({
  store,
  layers,
  clock,
}: {
  store: Pick<Store, "layers">;
  layers: LayerTrees;
  clock: Clock;
}): Pick<Inventory, LayerMethods> {
  async function layerOf(workspaceId: string, idOrDigest: string): Promise<Layer> {
    const layer = await store.layers.get(workspaceId, idOrDigest);
    if (layer) return layer;
    throw new Problem("not_found", `There is no layer ${JSON.stringify(idOrDigest)}`);
  }

  return {
    layers: (workspaceId, wanted) => pageOf((page) => store.layers.list(workspaceId, page), wanted),
    layer: layerOf,
    async sbom(workspaceId, idOrDigest, signal) {
      const { digest, hosts } = await layerOf(workspaceId, idOrDigest);
      const sbom = await layers.sbom(digest, signal);
      const contacted = hosts.map((value) => ({ name: "airlock:build-host", value }));
      return { ...sbom, properties: [...sbom.properties, ...contacted] };
    },
    async verifyLayer(workspaceId, idOrDigest, signal) {
      return layers.verify((await layerOf(workspaceId, idOrDigest)).digest, signal);
    },
    async exportLayer(workspaceId, idOrDigest) {
      const { id, digest } = await layerOf(workspaceId, idOrDigest);
      // A layer that cannot be used is an error with a name, as long as nothing of it was sent.
      (await layers.open(digest)).release();
      const stop = new AbortController();
      const stream = Readable.from(layers.pack(digest, stop.signal), { objectMode: false });
      stream.once("close", () => stop.abort());
      return { filename: `${id}.tar.zst`, stream };
    },
    async importLayer(workspaceId, { source, name, expected, abi }, signal) {
      const { digest, fileCount, sizeBytes } = await asSent(
        layers.import(
          source,
          {
            archiveBytes: limits.layerArchiveBytes,
            ...(expected === undefined ? {} : { expected }),
          },
          signal,
        ),
      );
      return store.layers.import(workspaceId, {
        ...{ digest, name, fileCount, sizeBytes, abi: abi ?? null, hosts: [] },
        ...{ createdAt: new Date(clock.now()).toISOString(), runId: null, callId: null },
      });
    },
    async removeLayer(workspaceId, idOrDigest) {
      const { id, digest } = await layerOf(workspaceId, idOrDigest);
      if ((await store.layers.forget(workspaceId, digest)) !== "in_use") return;
      const message = `Layer ${id} is needed by an artifact, a run or a cached build; it goes once they are gone`;
      throw new Problem("layer_in_use", message, { layerId: id });
    },
  };
}

/** A tree with another digest than the one that was announced is the sender's mistake, not damage of ours. */
async function asSent<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "digest_mismatch") throw error;
    throw new Problem("invalid_request", error.message, error.details, { cause: error });
  }
}
