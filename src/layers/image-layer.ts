import { createHash } from "node:crypto";
import { show } from "../base/below.ts";
import { Problem } from "../contract/problem.ts";
import { gzipCompressed, zstdCompressed } from "./compression.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { writeTar } from "./tar-write.ts";

export interface ImageLayerOptions {
  /** Where the tree lies in the image, such as `opt/venv`. */
  prefix?: string;
  compression: "gzip" | "zstd";
  signal?: AbortSignal;
}

/** How an OCI image speaks of one of its layers; digests are `sha256:` and hex. */
export interface ImageLayer {
  mediaType: string;
  digest: string;
  bytes: number;
  /** The digest of the archive before it was compressed. */
  diffId: string;
}

/**
 * Writes a layer as one of an OCI image: a compressed tar, given to `write` piece by piece, which is waited for. The same
 * layer gives the same bytes. Errors: those of `writeTar`, and `invalid_request` for a name that images use as a sign
 * that something is deleted.
 */
export async function writeImageLayer(
  tree: string,
  entries: readonly LayerEntry[],
  write: (piece: Buffer) => Promise<void> | void,
  options: ImageLayerOptions,
): Promise<ImageLayer> {
  const sign = entries.find(({ path }) => /(?:^|\/)\.wh\.[^/]*$/.test(path.toString("latin1")));
  if (sign !== undefined) {
    const why = "a name that begins with .wh. would delete another file there";
    const message = `Cannot make an image layer with ${show(sign.path)}: ${why}`;
    throw new Problem("invalid_request", message, { path: sign.path.toString("utf8") });
  }
  const [plain, packed] = [createHash("sha256"), createHash("sha256")];
  const { compression, ...rest } = options;
  const tar = seen(writeTar(tree, entries, rest), (piece) => plain.update(piece));
  let bytes = 0;
  for await (const piece of compression === "gzip" ? gzipCompressed(tar) : zstdCompressed(tar)) {
    packed.update(piece);
    bytes += piece.length;
    await write(piece);
  }
  return {
    mediaType: `application/vnd.oci.image.layer.v1.tar+${compression}`,
    digest: `sha256:${packed.digest("hex")}`,
    bytes,
    diffId: `sha256:${plain.digest("hex")}`,
  };
}

async function* seen(
  source: AsyncIterable<Buffer>,
  look: (piece: Buffer) => void,
): AsyncGenerator<Buffer, void> {
  for await (const piece of source) {
    look(piece);
    yield piece;
  }
}
