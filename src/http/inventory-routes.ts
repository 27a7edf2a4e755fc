import { z } from "zod";
import { Artifact, ArtifactIdOrRef, ArtifactRef } from "../contract/artifact.ts";
import { ArtifactProof } from "../contract/artifact-proof.ts";
import { ArtifactExec, ArtifactProve, ArtifactUpload } from "../contract/artifact-request.ts";
import { Layer, LayerIdOrDigest } from "../contract/layer.ts";
import { Run } from "../contract/run.ts";
import { LayerImportQuery, PageQuery } from "./query.ts";
import { attachmentHeader, type Route } from "./route.ts";

const layer = z.object({ layer: Layer });
const ofLayer = z.object({ id: LayerIdOrDigest });
const artifact = z.object({ artifact: Artifact });
const ofArtifact = z.object({ ref: ArtifactIdOrRef });
const nextCursor = z.string().optional().describe("Pass it as `cursor` to read on");
/** What a download has beside its bytes: a name, and a tag that names what is inside. */
const taggedDownload = { ETag: "Names what is inside, in a weak tag", ...attachmentHeader };
const ifNoneMatch = {
  "If-None-Match": "An ETag that the client has: answers 304 when it is current",
};
const notModified = { description: "The client has it already" };
const idempotencyHeader = {
  "Idempotency-Key": "The same as `idempotencyKey`; bare or in double quotes",
};

/** A run that is started here is a run like any other, and answered as `submitRun` answers it. */
const startsRun = {
  headers: idempotencyHeader,
  replies: {
    201: {
      description: "A new run",
      schema: z.object({ run: Run }),
      headers: { Location: "The run" },
    },
    200: {
      description: "The run that an earlier request with this key made",
      schema: z.object({ run: Run }),
      headers: { "Idempotent-Replayed": "true" },
    },
  },
  problems: [
    "layer_unusable",
    "idempotency_conflict",
    "run_deleted",
    "queue_full",
    "too_many_requests",
    "sandbox_unavailable",
    "storage_full",
  ],
} as const;

export const layerRoutes = {
  listLayers: {
    method: "get",
    path: "/api/layers",
    scope: "runs",
    tag: "Layers",
    summary: "List layers, newest first",
    query: PageQuery,
    replies: {
      200: {
        description: "One page; `nextCursor` when there is another",
        schema: z.object({ layers: z.array(Layer), nextCursor }),
      },
    },
  },
  importLayer: {
    method: "post",
    path: "/api/layers",
    scope: "runs",
    tag: "Layers",
    summary: "Import a layer",
    description:
      "The body is the archive, as `exportLayer` gives it. It is read as if an enemy had packed it: whatever is not " +
      "exactly a tree of directories, files and symlinks is refused, and nothing of it is kept.",
    query: LayerImportQuery,
    upload: { type: "application/zstd", description: "A POSIX tar, compressed with zstd" },
    replies: {
      201: {
        description: "The layer; the same one when the workspace had it already",
        schema: layer,
        headers: { Location: "The layer" },
      },
    },
    problems: ["too_many_requests", "storage_full"],
  },
  getLayer: {
    method: "get",
    path: "/api/layers/{id}",
    scope: "runs",
    tag: "Layers",
    summary: "Get a layer",
    params: ofLayer,
    replies: { 200: { description: "The layer", schema: layer } },
  },
  deleteLayer: {
    method: "delete",
    path: "/api/layers/{id}",
    scope: "runs",
    tag: "Layers",
    summary: "Remove a layer that nothing needs",
    description:
      "Its bytes go with a later sweep, unless another workspace has them. A layer that an artifact, a run or a cached " +
      "build needs stays until they are gone.",
    params: ofLayer,
    replies: { 200: { description: "The workspace has it no more", schema: z.object({}) } },
    problems: ["layer_in_use"],
  },
  getLayerSbom: {
    method: "get",
    path: "/api/layers/{id}/sbom",
    scope: "runs",
    tag: "Layers",
    summary: "List what is in a layer",
    description:
      "CycloneDX 1.6: Python, Node, Rust and Go packages with name and version, and the hosts that the build contacted.",
    params: ofLayer,
    replies: {
      200: {
        description: "The SBOM",
        content: { "application/vnd.cyclonedx+json": "CycloneDX 1.6 as JSON" },
      },
    },
    problems: ["layer_unusable", "digest_mismatch", "too_many_requests"],
  },
  verifyLayer: {
    method: "post",
    path: "/api/layers/{id}/verify",
    scope: "runs",
    tag: "Layers",
    summary: "Read all of a layer and hold it against its digest",
    description: "A damaged layer is used by nobody from then on.",
    params: ofLayer,
    replies: {
      200: {
        description: "Whether it is what its digest says, and if not, why",
        schema: z.object({ ok: z.boolean(), reason: z.string().optional() }),
      },
    },
    problems: ["too_many_requests"],
  },
  exportLayer: {
    method: "get",
    path: "/api/layers/{id}/export",
    scope: "runs",
    tag: "Layers",
    summary: "Download a layer",
    description: "The same bytes for the same layer. A connection that is cut is an error.",
    params: ofLayer,
    headers: ifNoneMatch,
    replies: {
      200: {
        description: "The archive, made as it is sent",
        content: { "application/zstd": "A POSIX tar, compressed with zstd" },
        headers: taggedDownload,
      },
      304: notModified,
    },
    problems: ["layer_unusable", "too_many_requests"],
  },
} as const satisfies Record<string, Route>;

export const artifactRoutes = {
  listArtifacts: {
    method: "get",
    path: "/api/artifacts",
    scope: "runs",
    tag: "Artifacts",
    summary: "List artifacts, newest first",
    query: PageQuery,
    replies: {
      200: {
        description: "One page; `nextCursor` when there is another",
        schema: z.object({ artifacts: z.array(Artifact), nextCursor }),
      },
    },
  },
  createArtifact: {
    method: "post",
    path: "/api/artifacts",
    scope: "runs",
    tag: "Artifacts",
    summary: "Make an artifact",
    description:
      "Of files, layers of the workspace, and other artifacts, which are merged in first. Files come as with `submitRun`: " +
      "inline, or as parts `file:<slot>` of a multipart form beside the part `submission`. The same bundle is the same artifact; " +
      "every request gives a ref of its own.",
    body: ArtifactUpload,
    multipart:
      "The part `submission` (JSON, in any position) and exactly one part `file:<slot>` for each `files[].slot`",
    replies: {
      201: {
        description: "A new artifact",
        schema: artifact,
        headers: { Location: "The artifact" },
      },
      200: { description: "The same bundle was there already; the ref is new", schema: artifact },
    },
    problems: ["not_found", "digest_mismatch", "too_many_requests", "storage_full"],
  },
  getArtifact: {
    method: "get",
    path: "/api/artifacts/{ref}",
    scope: "runs",
    tag: "Artifacts",
    summary: "Get an artifact, and what was proved of it",
    params: ofArtifact,
    replies: {
      200: {
        description: "The artifact, with its proofs, newest first",
        schema: z.object({ artifact: Artifact, proofs: z.array(ArtifactProof) }),
      },
    },
    problems: ["digest_mismatch"],
  },
  revokeArtifact: {
    method: "delete",
    path: "/api/artifacts/{ref}",
    scope: "runs",
    tag: "Artifacts",
    summary: "Take a ref out of force",
    description: "The artifact itself stays, with its id and with other refs.",
    params: z.object({ ref: ArtifactRef }),
    replies: { 200: { description: "It hands over nothing any more", schema: z.object({}) } },
  },
  execArtifact: {
    method: "post",
    path: "/api/artifacts/{ref}/exec",
    scope: "runs",
    tag: "Artifacts",
    summary: "Start a program of an artifact",
    description:
      "A run without a model and without network, with nothing but what is in the artifact.",
    params: ofArtifact,
    body: ArtifactExec,
    ...startsRun,
  },
  proveArtifact: {
    method: "post",
    path: "/api/artifacts/{ref}/prove",
    scope: "runs",
    tag: "Artifacts",
    summary: "Prove that an artifact works without network",
    description:
      "As `execArtifact`; how it ended is kept as evidence with the artifact. Without entrypoint and command it is its " +
      "only entrypoint.",
    params: ofArtifact,
    body: ArtifactProve,
    ...startsRun,
  },
  exportArtifact: {
    method: "get",
    path: "/api/artifacts/{ref}/export",
    scope: "runs",
    tag: "Artifacts",
    summary: "Download an artifact",
    params: ofArtifact,
    headers: ifNoneMatch,
    query: z.strictObject({
      format: z
        .enum(["oci", "zip"])
        .describe(
          "`oci`: files and layers as an OCI image layout; `zip`: the files and a manifest",
        ),
    }),
    replies: {
      200: {
        description: "The archive. A connection that is cut is an error",
        content: {
          "application/x-tar": "An OCI image layout, for `oci`",
          "application/zip": "For `zip`",
        },
        headers: taggedDownload,
      },
      304: notModified,
    },
    problems: ["layer_unusable", "digest_mismatch", "too_many_requests", "storage_full"],
  },
} as const satisfies Record<string, Route>;

export const inventoryRoutes = { ...layerRoutes, ...artifactRoutes };
