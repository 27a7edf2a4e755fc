import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Blobs } from "../content/content.ts";
import type { Artifact } from "../contract/artifact.ts";
import type { Abi } from "../contract/layer.ts";
import { Problem } from "../contract/problem.ts";
import type { LayerTrees, OpenedLayer } from "../layers/layers.ts";
import { architectureOf } from "./image-config.ts";
import { filesLayer, headsOf, mountedLayers } from "./image-layers.ts";
import { writeImageLayout } from "./image-layout.ts";
import { layerEnvironment } from "./layer-environment.ts";
import type { Spool } from "./spool.ts";

export interface OciRequest {
  workspaceId: string;
  artifact: Artifact;
  /** What its layers were built on, of those that say so. */
  abis: readonly Abi[];
  layers: LayerTrees;
  blobs: Blobs;
  spool: Spool;
}

export interface Exported {
  stream: Readable;
  /** How much there will be of it. */
  bytes: number;
}

/**
 * An artifact as an OCI image layout in one tar: a layer of the image for its files at `/tmp/<name>`, and one for each
 * place of each of its layers. The same artifact gives the same bytes. All of it is written down before the first byte
 * is sent, because the name of an image layer is its digest: so its size is known, and whatever is wrong is a `Problem`
 * (`layer_unusable`, `digest_mismatch`, `storage_full`) and never half an image.
 */
export async function exportOci(request: OciRequest, signal?: AbortSignal): Promise<Exported> {
  const place = await request.spool.open(request.workspaceId);
  try {
    const path = join(place.path, "image.tar");
    const bytes = await writeImage(request, place.path, path, signal ?? neverAborted);
    const stream = createReadStream(path, { highWaterMark: 256 * 1024 });
    stream.once("close", () => void place.remove());
    // Whoever reads is told by the stream itself; a failure before anybody reads must not end the process.
    stream.on("error", () => undefined);
    return { stream, bytes };
  } catch (error) {
    await place.remove();
    throw asStorageProblem(error);
  }
}

const neverAborted = new AbortController().signal;

async function writeImage(
  { artifact, abis, layers, blobs }: OciRequest,
  directory: string,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  const held = new Map<string, OpenedLayer>();
  const file = await open(path, "wx", 0o600);
  try {
    for (const { digest } of artifact.layers) {
      if (!held.has(digest)) held.set(digest, await layers.open(digest, signal));
    }
    const mounted = artifact.layers.flatMap((layer) => {
      const tree = held.get(layer.digest)?.tree;
      return tree === undefined ? [] : [{ ...layer, tree }];
    });
    const files = await filesLayer(artifact, blobs, directory, signal);
    const heads = headsOf(artifact, directory);
    return await writeImageLayout(file, {
      artifact,
      architecture: architectureOf(abis, heads),
      environment: layerEnvironment(mounted),
      head: heads[0],
      layers: [...files, ...mountedLayers(artifact.layers, layers)],
      signal,
    });
  } finally {
    for (const layer of held.values()) layer.release();
    await file.close();
  }
}

function asStorageProblem(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  const message = "Cannot make the image: the disk of the gateway's data directory is full";
  return new Problem("storage_full", message, { code }, { cause: error });
}
