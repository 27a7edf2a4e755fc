/**
 * Reads an OCI image layout as the specification has it, and throws for whatever is not as it says: every descriptor's
 * blob has its size and digest, every blob is named, the layers unpack to what the configuration says of them.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { treeInTar } from "./tree-in-tar.ts";

const layoutTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { architecture: string; os: string };
  annotations?: Record<string, string>;
}

export interface ReadImage {
  name: string | undefined;
  architecture: string;
  config: { Env?: string[]; Entrypoint?: string[]; WorkingDir?: string };
  /** From the lowest to the topmost, each as `treeInTar` gives it. */
  layers: Record<string, string>[];
}

/** `tar` is the layout as one archive. */
export function readOciLayout(tar: Uint8Array): ReadImage {
  const files = new Map(filesOf(Buffer.from(tar)));
  same(json(files, "oci-layout"), { imageLayoutVersion: "1.0.0" }, "oci-layout");
  const used = new Set(["oci-layout", "index.json"]);
  const blob = (descriptor: Descriptor, type: string): Buffer => {
    const { mediaType, digest, size } = descriptor;
    if (mediaType !== type) throw new Error(`A descriptor has the type ${mediaType}, not ${type}`);
    const path = `blobs/${digest.replace(":", "/")}`;
    const bytes = files.get(path);
    if (bytes === undefined) throw new Error(`There is no blob ${path}`);
    if (bytes.length !== size) throw new Error(`${path} has ${bytes.length} bytes, not ${size}`);
    if (digestOf(bytes) !== digest) throw new Error(`${path} has the digest ${digestOf(bytes)}`);
    used.add(path);
    return bytes;
  };
  const index = json(files, "index.json") as { manifests: Descriptor[] };
  same({ ...index, manifests: [] }, head(layoutTypes.index, { manifests: [] }), "index.json");
  const [image, ...others] = index.manifests;
  if (image === undefined || others.length > 0) throw new Error("There is not exactly one image");
  const manifest = JSON.parse(blob(image, layoutTypes.manifest).toString()) as {
    config: Descriptor;
    layers: Descriptor[];
  };
  const empty = { ...manifest, config: null, layers: [] };
  same(empty, head(layoutTypes.manifest, { config: null, layers: [] }), "the manifest");
  const config = JSON.parse(blob(manifest.config, layoutTypes.config).toString());
  const plain = manifest.layers.map((one) => gunzipSync(blob(one, layoutTypes.layer)));
  same(config.rootfs, { type: "layers", diff_ids: plain.map(digestOf) }, "rootfs");
  same(image.platform, { architecture: config.architecture, os: config.os }, "the platform");
  const unused = [...files.keys()].filter((path) => !used.has(path));
  if (unused.length > 0) throw new Error(`Nobody names ${unused.join(", ")}`);
  return {
    name: image.annotations?.["org.opencontainers.image.ref.name"],
    architecture: config.architecture,
    config: config.config,
    layers: plain.map((layer) => treeInTar(layer)),
  };
}

function head(mediaType: string, more: object): object {
  return { schemaVersion: 2, mediaType, ...more };
}

function same(found: unknown, wanted: unknown, what: string): void {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, inner) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    );
  if (text(found) !== text(wanted))
    throw new Error(`${what} is ${text(found)}, not ${text(wanted)}`);
}

function json(files: Map<string, Buffer>, path: string): object {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`There is no ${path}`);
  return JSON.parse(bytes.toString("utf8"));
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** The files of a plain ustar; whatever is neither a file nor a directory throws. */
function* filesOf(tar: Buffer): Generator<[string, Buffer]> {
  for (let at = 0; tar[at] !== 0; ) {
    const name = tar.toString("latin1", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 135), 8);
    const type = tar.toString("latin1", at + 156, at + 157);
    if (type === "0") yield [name, tar.subarray(at + 512, at + 512 + size)];
    else if (type !== "5") throw new Error(`${name} is of the type ${type}`);
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
