import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson } from "../base/canonical-json.ts";
import { Problem } from "../contract/problem.ts";
import { blockBytes, type ImageLayer, largestHeaderSize, writeHeader } from "../layers/layers.ts";
import { type ImageParts, imageConfig } from "./image-config.ts";
import type { WriteImageLayer } from "./image-layers.ts";

export interface LayoutRequest extends Omit<ImageParts, "diffIds"> {
  /** From the lowest to the topmost. */
  layers: readonly WriteImageLayer[];
  /** Where one packed layer at a time is kept until it is sent. */
  directory: string;
  signal: AbortSignal;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

const types = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
};

/**
 * An OCI image layout as a tar: `oci-layout`, then the blobs `blobs/sha256/<hex>`, and at the end, when all of them are
 * known, `index.json`, which names the one image by the artifact's id. Without times and owners.
 */
export async function* imageLayout(request: LayoutRequest): AsyncGenerator<Buffer, void> {
  const { artifact, architecture, layers, directory, signal } = request;
  yield* fileEntry("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  for (const name of ["blobs", "blobs/sha256"]) yield entryHeader(name, 0, "directory");
  const written: ImageLayer[] = [];
  for (const write of layers) {
    const path = join(directory, "layer");
    const layer = await spoolLayer(path, write, signal);
    // Two places of an empty layer below one directory are the same blob.
    if (!written.some(({ digest }) => digest === layer.digest)) yield* blobFrom(path, layer);
    await rm(path);
    written.push(layer);
  }
  const config = json(imageConfig({ ...request, diffIds: written.map(({ diffId }) => diffId) }));
  const manifest = json({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptorOf(types.config, config),
    layers: written.map(({ mediaType, digest, bytes }) => ({ mediaType, digest, size: bytes })),
  });
  for (const blob of [config, manifest]) yield* fileEntry(blobPath(digestOf(blob)), blob);
  const image = {
    ...descriptorOf(types.manifest, manifest),
    platform: { architecture, os: "linux" },
    annotations: { "org.opencontainers.image.ref.name": artifact.id },
  };
  const index = json({ schemaVersion: 2, mediaType: types.index, manifests: [image] });
  yield* fileEntry("index.json", index);
  yield Buffer.alloc(2 * blockBytes);
}

async function spoolLayer(
  path: string,
  write: WriteImageLayer,
  signal: AbortSignal,
): Promise<ImageLayer> {
  const file = await open(path, "wx", 0o600);
  try {
    return await write((piece) => file.writeFile(piece), signal);
  } finally {
    await file.close();
  }
}

async function* blobFrom(path: string, { digest, bytes }: ImageLayer): AsyncGenerator<Buffer> {
  yield entryHeader(blobPath(digest), bytes, "file");
  yield* createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
  yield paddingOf(bytes);
}

function* fileEntry(name: string, bytes: Buffer): Generator<Buffer> {
  yield entryHeader(name, bytes.length, "file");
  yield bytes;
  yield paddingOf(bytes.length);
}

function entryHeader(name: string, size: number, type: "file" | "directory"): Buffer {
  if (size > largestHeaderSize) {
    const message = `Cannot make an image layer of ${size} bytes: expected at most ${largestHeaderSize}`;
    throw new Problem("payload_too_large", message);
  }
  const none = { prefix: Buffer.alloc(0), linkPath: Buffer.alloc(0), size };
  return type === "file"
    ? writeHeader({ ...none, name: Buffer.from(name), mode: 0o644, type: "0" })
    : writeHeader({ ...none, name: Buffer.from(`${name}/`), mode: 0o755, type: "5" });
}

function paddingOf(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function descriptorOf(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function json(value: object): Buffer {
  return Buffer.from(canonicalJson(value));
}
