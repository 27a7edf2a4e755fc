/**
 * Layers: immutable trees of installed things, named by their content. The same tree is the same layer, on any machine.
 * As archives they travel between machines; an archive is read as if an enemy had made it.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { CaptureSource } from "./capture.ts";
import type { ImageLayer, ImageLayerOptions } from "./image-layer.ts";
import type { ImportOptions } from "./import.ts";
import type { LayerEntry } from "./layer-entry.ts";
import type { Published, StoredLayer } from "./publish.ts";
import type { Sbom } from "./sbom.ts";

/** A layer that is being used: its tree stays where it is until it is released. */
export interface OpenedLayer {
  digest: string;
  /** The host path of its tree, which only the gateway can change. */
  tree: string;
  release(): void;
}

/** The trees of layers on disk. Which workspace knows which of them is the store's business. */
export interface LayerTrees {
  /** Takes a directory of a run and makes a layer of it; see `captureTree`. The run finds nothing at its path afterwards. */
  capture(
    source: CaptureSource,
    signal: AbortSignal,
    onProgress?: (bytes: number) => void,
  ): Promise<Published>;
  /** Makes a layer of a tar.zst that anybody may have packed; see `importLayer`. */
  import(
    source: AsyncIterable<Uint8Array>,
    options: ImportOptions,
    signal: AbortSignal,
  ): Promise<StoredLayer>;
  /**
   * Holds a layer for use. The first time after a start, and now and then afterwards, its fingerprint (inode, size, times
   * of every entry) is held against the one that was taken when it was made; one that was touched is read. Throws
   * `layer_unusable`, naming the layer, when it is missing, damaged or quarantined.
   */
  open(digest: string, signal?: AbortSignal): Promise<OpenedLayer>;
  /**
   * Reads all of a layer and holds it against its manifest. A damaged one is quarantined: `open` refuses it from then on,
   * also after a restart, until it is captured again or a later reading finds it whole.
   */
  verify(
    digest: string,
    signal?: AbortSignal,
  ): Promise<{ ok: true } | { ok: false; reason: string }>;
  /** What is in a layer, in the order of its manifest. */
  entries(digest: string, signal?: AbortSignal): Promise<LayerEntry[]>;
  /** The archive of a layer, tar.zst: the same bytes for the same layer. Throws `digest_mismatch` in the middle of a damaged one. */
  pack(digest: string, signal?: AbortSignal): AsyncIterable<Buffer>;
  /** The layer as one of an OCI image; see `writeImageLayer`. */
  image(
    digest: string,
    write: (piece: Buffer) => Promise<void> | void,
    options: ImageLayerOptions,
  ): Promise<ImageLayer>;
  sbom(digest: string, signal?: AbortSignal): Promise<Sbom>;
  /** Every digest that is on disk. */
  list(): string[];
  /** Removes layers that are neither in `keep`, nor held, nor younger than `before` (milliseconds); see `sweepLayers`. */
  sweep(
    wanted: { keep: ReadonlySet<string>; before: number },
    signal: AbortSignal,
  ): Promise<string[]>;
  /** Verifies the layers one after the other, at a pace that nobody notices, until the signal aborts. */
  scrub(signal: AbortSignal, onDamaged: (digest: string, reason: string) => void): Promise<void>;
}

export interface LayerTreesOptions {
  dataDir: string;
  clock: Clock;
  log: Log;
  threads: Threads;
  /** Resolves once everything of the filesystem that holds the path is on disk. */
  syncFilesystem: (path: string) => Promise<void>;
}

export type { CaptureSource } from "./capture.ts";
export { type ImageLayer, type ImageLayerOptions, writeImageLayer } from "./image-layer.ts";
export { type ImportOptions, importLayer } from "./import.ts";
export { abiProblem, layerAbi } from "./layer-abi.ts";
export type { LayerEntry } from "./layer-entry.ts";
export type { LeftOut } from "./left-out.ts";
export { openLayers } from "./open-layers.ts";
export type { Published, StoredLayer } from "./publish.ts";
export { type Sbom, type SbomComponent, sbomOf } from "./sbom.ts";
export { blockBytes, largestHeaderSize, writeHeader } from "./tar-header.ts";
export { packed } from "./unpack.ts";
