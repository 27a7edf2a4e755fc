import { closeSync, openSync, readSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Blobs } from "../content/content.ts";
import type { Artifact, ArtifactFile, ArtifactLayer } from "../contract/artifact.ts";
import {
  type ImageLayer,
  type ImageLayerOptions,
  type LayerEntry,
  type LayerTrees,
  writeImageLayer,
} from "../layers/layers.ts";
import { headBytes } from "./image-config.ts";
import { ofFile } from "./sound.ts";

/** Writes one layer of an image, piece by piece. */
export type WriteImageLayer = (
  write: (piece: Buffer) => Promise<void>,
  signal: AbortSignal,
) => Promise<ImageLayer>;

/** gzip, because every tool that reads images reads it. */
const compression: ImageLayerOptions["compression"] = "gzip";

/**
 * The files of an artifact as a layer at `/tmp`; none when it has no files. They are laid out below `directory`, which
 * checks every byte of them before any is sent.
 */
export async function filesLayer(
  artifact: Artifact,
  blobs: Blobs,
  directory: string,
  signal: AbortSignal,
): Promise<WriteImageLayer[]> {
  const { files } = artifact;
  if (files.length === 0) return [];
  const tree = treeOf(directory);
  for (const file of files) {
    await ofFile(artifact, file, layOut(join(tree, file.name), file, blobs, signal));
  }
  const entries = entriesOf(files);
  const options = { prefix: "tmp", compression };
  return [(write, stop) => writeImageLayer(tree, entries, write, { ...options, signal: stop })];
}

/**
 * The layers of an artifact, one for each place of each. A second place is the same tree once more and not a link to the
 * first: Node looks for modules from where a file really lies, so a link would hide a module from its neighbours.
 */
export function mountedLayers(
  held: readonly ArtifactLayer[],
  layers: LayerTrees,
): WriteImageLayer[] {
  return held.flatMap(({ digest, mount_path, mount_as }) => {
    const places = new Set(mount_as === null ? [mount_path] : [mount_path, mount_as]);
    return [...places].map((place): WriteImageLayer => {
      const prefix = place.slice(1);
      return (write, signal) => layers.image(digest, write, { prefix, compression, signal });
    });
  });
}

/** The first bytes of every entrypoint, of the files that `filesLayer` laid out. */
export function headsOf({ entrypoints }: Artifact, directory: string): Buffer[] {
  return entrypoints.map((name) => {
    const fd = openSync(join(treeOf(directory), name), "r");
    try {
      const head = Buffer.alloc(headBytes);
      return head.subarray(0, readSync(fd, head, 0, headBytes, 0));
    } finally {
      closeSync(fd);
    }
  });
}

function treeOf(directory: string): string {
  return join(directory, "files");
}

async function layOut(
  path: string,
  { sha256 }: ArtifactFile,
  blobs: Blobs,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "wx", 0o600);
  const { stream } = await blobs.read(sha256).catch(async (error: unknown) => {
    await file.close();
    throw error;
  });
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      signal.throwIfAborted();
      await file.writeFile(piece);
    }
  } finally {
    stream.destroy();
    await file.close();
  }
}

function entriesOf(files: readonly ArtifactFile[]): LayerEntry[] {
  const directories = new Set(files.flatMap(({ name }) => directoriesOf(name)));
  const none = { executable: false, size: 0, sha256: null, target: null };
  const entries: LayerEntry[] = [
    ...[...directories].map((name) => ({
      ...none,
      ...{ path: Buffer.from(name), type: "directory" as const },
    })),
    ...files.map(({ name, sha256, bytes, executable }) => ({
      ...{ path: Buffer.from(name), type: "file" as const, executable, size: bytes, target: null },
      sha256: sha256.slice("sha256:".length),
    })),
  ];
  return entries.sort((a, b) => Buffer.compare(a.path, b.path));
}

function directoriesOf(name: string): string[] {
  const names = name.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}
