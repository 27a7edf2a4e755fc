import { z } from "zod";
import { CallId, Digest, RunId } from "./ids.ts";

/** Names what an artifact is: `art_` and 32 hex digits over everything in it. The same files give the same id. */
export const ArtifactId = z
  .string()
  .regex(/^art_[0-9a-f]{32}$/, "expected art_ and 32 lower-case hex digits")
  .meta({ id: "ArtifactId" });

/** Hands an artifact over: `ar.` and 24 hex digits, which nobody can guess. Has a scope, may expire, can be revoked. */
export const ArtifactRef = z
  .string()
  .regex(/^ar\.[0-9a-f]{24}$/, "expected ar. and 24 lower-case hex digits")
  .meta({ id: "ArtifactRef" });

/** Names an artifact of one's workspace, in either way. */
export const ArtifactIdOrRef = z
  .union([ArtifactId, ArtifactRef], "expected art_ and 32, or ar. and 24 lower-case hex digits")
  .meta({ id: "ArtifactIdOrRef" });

export const artifactKinds = ["generic", "agent_bundle", "binary", "dataset", "report"] as const;

export const ArtifactFile = z.strictObject({
  name: z.string().describe("A relative path; the file lies at /tmp/<name>"),
  sha256: Digest,
  bytes: z.int(),
  executable: z.boolean(),
});
export type ArtifactFile = z.infer<typeof ArtifactFile>;

export const ArtifactLayer = z.strictObject({
  name: z.string(),
  digest: Digest,
  mount_path: z.string(),
  mount_as: z.string().nullable().describe("A second place; null when there is only one"),
});
export type ArtifactLayer = z.infer<typeof ArtifactLayer>;

/**
 * Everything that makes an artifact what it is. Who built it, when and in which run stands beside it: provenance does
 * not make two equal bundles different.
 */
export const ArtifactManifest = z
  .strictObject({
    kind: z.enum(artifactKinds),
    files: z.array(ArtifactFile).describe("By name, in byte order"),
    entrypoints: z.array(z.string()).describe("Names of files, in byte order"),
    layers: z.array(ArtifactLayer).describe("By mount path, in byte order"),
  })
  .meta({ id: "ArtifactManifest" });
export type ArtifactManifest = z.infer<typeof ArtifactManifest>;

export const Artifact = ArtifactManifest.extend({
  id: ArtifactId,
  digest: Digest,
  ref: ArtifactRef.nullable(),
  name: z.string().nullable(),
  createdAt: z.iso.datetime(),
  runId: RunId.nullable().describe("The run that built it; null when it was uploaded"),
  callId: CallId.nullable(),
}).meta({ id: "Artifact" });
export type Artifact = z.infer<typeof Artifact>;
