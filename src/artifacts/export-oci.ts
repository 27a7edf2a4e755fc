import { once } from "node:events";
import { PassThrough, type Readable } from "node:stream";
import type { Blobs } from "../content/content.ts";
import type { Artifact } from "../contract/artifact.ts";
import type { Abi } from "../contract/layer.ts";
import type { LayerTrees, OpenedLayer } from "../layers/layers.ts";
import { architectureOf } from "./image-config.ts";
import { filesLayer, headsOf, mountedLayers } from "./image-layers.ts";
import { imageLayout } from "./image-layout.ts";
import { layerEnvironment } from "./layer-environment.ts";
import type { Spool } from "./spool.ts";

export interface OciRequest {
  artifact: Artifact;
  /** What its layers were built on, of those that say so. */
  abis: readonly Abi[];
  layers: LayerTrees;
  blobs: Blobs;
  spool: Spool;
}

/**
 * An artifact as an OCI image layout in one tar: a layer of the image for its files at `/tmp/<name>`, and one for each
 * place of each of its layers. The same artifact gives the same bytes. An image layer is written down before it is sent,
 * because its name is its digest, and removed before the next: of disk it takes the files, once plain and once packed, and the largest layer, packed.
 *
 * What is missing or damaged is a `Problem` before the first byte: `layer_unusable`, `digest_mismatch`; what goes wrong
 * later ends the stream with an error. Destroying the stream lets go of everything.
 */
export async function exportOci(request: OciRequest, signal?: AbortSignal): Promise<Readable> {
  const { artifact, layers, blobs, spool } = request;
  const closing = new AbortController();
  const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
  const held = new Map<string, OpenedLayer>();
  const place = await spool.open();
  const letGo = async () => {
    for (const layer of held.values()) layer.release();
    await place.remove();
  };
  try {
    for (const { digest } of artifact.layers) {
      if (!held.has(digest)) held.set(digest, await layers.open(digest, stop));
    }
    const mounted = artifact.layers.flatMap((layer) => {
      const tree = held.get(layer.digest)?.tree;
      return tree === undefined ? [] : [{ ...layer, tree }];
    });
    const files = await filesLayer(artifact.files, blobs, place.path, stop);
    const heads = headsOf(artifact, place.path);
    const pieces = imageLayout({
      artifact,
      architecture: architectureOf(request.abis, heads),
      environment: layerEnvironment(mounted),
      head: heads[0],
      layers: [...files, ...mountedLayers(artifact.layers, layers)],
      directory: place.path,
      signal: stop,
    });
    const out = new PassThrough({ highWaterMark: 256 * 1024 });
    out.once("close", () => closing.abort());
    // Whoever reads is told by the stream itself; a failure before anybody reads must not end the process.
    out.on("error", () => closing.abort());
    void send(pieces, out, stop).finally(letGo);
    return out;
  } catch (error) {
    await letGo();
    throw error;
  }
}

/** Never rejects: what goes wrong becomes the error of the stream. */
async function send(
  pieces: AsyncIterable<Buffer>,
  out: PassThrough,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const piece of pieces) {
      signal.throwIfAborted();
      if (!out.write(piece)) await once(out, "drain", { signal });
    }
    out.end();
  } catch (error) {
    out.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}
