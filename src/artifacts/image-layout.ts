import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { canonicalJson } from "../base/canonical-json.ts";
import { Problem } from "../contract/problem.ts";
import { blockBytes, type ImageLayer, largestHeaderSize, writeHeader } from "../layers/layers.ts";
import { type ImageParts, imageConfig } from "./image-config.ts";
import type { WriteImageLayer } from "./image-layers.ts";

export interface LayoutRequest extends Omit<ImageParts, "diffIds"> {
  /** From the lowest to the topmost. */
  layers: readonly WriteImageLayer[];
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
 * Writes an OCI image layout as a tar into an empty file: `oci-layout`, the blobs `blobs/sha256/<hex>`, and `index.json`,
 * which names the one image by the artifact's id. Without times and owners. Gives the size of the tar.
 */
export async function writeImageLayout(file: FileHandle, request: LayoutRequest): Promise<number> {
  const { artifact, architecture, layers, signal } = request;
  const tar = openTar(file);
  await tar.file("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  for (const name of ["blobs", "blobs/sha256"]) await tar.directory(name);
  const written: ImageLayer[] = [];
  for (const write of layers) written.push(await tar.layer(write, signal));
  const config = json(imageConfig({ ...request, diffIds: written.map(({ diffId }) => diffId) }));
  const manifest = json({
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptorOf(types.config, config),
    layers: written.map(({ mediaType, digest, bytes }) => ({ mediaType, digest, size: bytes })),
  });
  for (const blob of [config, manifest]) await tar.file(blobPath(digestOf(blob)), blob);
  const image = {
    ...descriptorOf(types.manifest, manifest),
    platform: { architecture, os: "linux" },
    annotations: { "org.opencontainers.image.ref.name": artifact.id },
  };
  const index = json({ schemaVersion: 2, mediaType: types.index, manifests: [image] });
  await tar.file("index.json", index);
  return tar.end();
}

/** A tar that grows in a file. Only a layer's own bytes tell its name and its size, so its header is written behind it. */
function openTar(file: FileHandle) {
  const blobs = new Set<string>();
  let end = 0;
  const put = async (bytes: Uint8Array, position: number) => {
    for (let done = 0; done < bytes.length; ) {
      done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
  };
  const append = async (bytes: Uint8Array) => {
    await put(bytes, end);
    end += bytes.length;
  };
  return {
    directory: (name: string) => append(entryHeader(name, 0, "directory")),
    async file(name: string, bytes: Buffer) {
      await append(entryHeader(name, bytes.length, "file"));
      await append(bytes);
      await append(paddingOf(bytes.length));
    },
    async layer(write: WriteImageLayer, signal: AbortSignal): Promise<ImageLayer> {
      const start = end;
      end += blockBytes;
      const layer = await write(append, signal);
      const header = entryHeader(blobPath(layer.digest), layer.bytes, "file");
      if (blobs.has(layer.digest)) {
        // Two places of an empty layer below one directory are the same blob, which is there once.
        await file.truncate(start);
        end = start;
        return layer;
      }
      blobs.add(layer.digest);
      await put(header, start);
      await append(paddingOf(layer.bytes));
      return layer;
    },
    async end(): Promise<number> {
      await append(Buffer.alloc(2 * blockBytes));
      return end;
    },
  };
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
