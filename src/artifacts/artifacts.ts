/**
 * Artifacts: immutable bundles of files, entrypoints and layers. This room says what a bundle is made of and how its
 * entrypoints are run; that it is named by its content is `base/artifact-identity.ts`, and its rows are the store's.
 *
 * P5 The same inputs give the same manifest, in whatever order they were named.
 */

import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Uploads } from "../content/content.ts";
import type { Artifact } from "../contract/artifact.ts";
import type { ArtifactProof } from "../contract/artifact-proof.ts";
import type { ArtifactUpload } from "../contract/artifact-request.ts";
import type { Abi, Layer } from "../contract/layer.ts";
import type { Page, PageWanted } from "./pages.ts";

/** Where the bytes of a layer are that a client sends, and what it says of them. */
export interface LayerImport {
  source: AsyncIterable<Uint8Array>;
  name: string;
  /** The digest that it must have. */
  expected?: string;
  /** What the tree runs on, as the sender says; left out: anything. */
  abi?: Abi;
}

/**
 * What a workspace has of layers and artifacts, for the front door. Every method is scoped by workspace (I14) and throws
 * `Problem`s: `not_found` for what is not there or not its own.
 */
export interface Inventory {
  /** Newest first. */
  layers(workspaceId: string, wanted: PageWanted): Promise<Page<Layer>>;
  /** By `layer_…` or digest. */
  layer(workspaceId: string, idOrDigest: string): Promise<Layer>;
  sbom(workspaceId: string, idOrDigest: string, signal?: AbortSignal): Promise<unknown>;
  verifyLayer(
    workspaceId: string,
    idOrDigest: string,
    signal?: AbortSignal,
  ): Promise<{ ok: true } | { ok: false; reason: string }>;
  /** tar.zst. */
  exportLayer(
    workspaceId: string,
    idOrDigest: string,
  ): Promise<{ filename: string; stream: Readable }>;
  importLayer(workspaceId: string, layer: LayerImport, signal: AbortSignal): Promise<Layer>;
  /** `layer_in_use` when an artifact, a run or a cached build needs it. */
  removeLayer(workspaceId: string, idOrDigest: string): Promise<void>;

  /** Newest first. */
  artifacts(workspaceId: string, wanted: PageWanted): Promise<Page<Artifact>>;
  /** By `art_…` or `ar.…`, with what was proved of it, newest first. */
  artifact(
    workspaceId: string,
    idOrRef: string,
  ): Promise<{ artifact: Artifact; proofs: ArtifactProof[] }>;
  createArtifact(
    workspaceId: string,
    upload: z.output<typeof ArtifactUpload>,
    uploads: Uploads,
  ): Promise<{ created: boolean; artifact: Artifact }>;
  /** An OCI image layout in one tar, or a zip of the files. */
  exportArtifact(
    workspaceId: string,
    idOrRef: string,
    format: "oci" | "zip",
    signal?: AbortSignal,
  ): Promise<{ filename: string; contentType: string; stream: Readable; bytes?: number }>;
  /** Takes a ref out of force. False when there is none. */
  revokeRef(workspaceId: string, ref: string): Promise<boolean>;
}

export { type EntrypointStart, entrypointStart } from "./entrypoint.ts";
export {
  environmentVariables,
  type LayerEnvironment,
  layerEnvironment,
} from "./layer-environment.ts";
export { type ArtifactInput, type Merged, mergeInputs } from "./merge-inputs.ts";
export { type InventoryOptions, openInventory } from "./open-inventory.ts";
export type { Page, PageWanted } from "./pages.ts";
