import { z } from "zod";
import { contentAlias } from "../content/content.ts";
import { type Artifact, ArtifactId, ArtifactRef } from "../contract/artifact.ts";
import { failure, type ToolOutcome } from "./tool.ts";

/** Either name of an artifact; every tool takes either field with either form. */
export const AnyArtifact = z.union([ArtifactRef, ArtifactId], {
  error: "expected ar. and 24 hex digits, or art_ and 32",
});

/** The two fields in which an artifact can be named; exactly one is given. */
export const artifactFields = {
  artifact_ref: AnyArtifact.optional().describe("The ref that artifact_build answered, ar.…"),
  artifact_id: AnyArtifact.optional().describe("Its id, art_…; either field takes either form"),
};

export interface ArtifactNamed {
  artifact_ref?: string | undefined;
  artifact_id?: string | undefined;
}

/** For `superRefine`: one of the two fields, or both with the same name. */
export function checkNamed(args: ArtifactNamed, check: z.RefinementCtx): void {
  const { artifact_ref: ref, artifact_id: id } = args;
  const message =
    ref === undefined && id === undefined
      ? "expected the ref (ar.…) or the id (art_…) of an artifact"
      : ref !== undefined && id !== undefined && ref !== id
        ? "must not be given beside artifact_id: name the artifact once"
        : undefined;
  if (message !== undefined) check.addIssue({ code: "custom", path: ["artifact_ref"], message });
}

export function nameOf({ artifact_ref, artifact_id }: ArtifactNamed): string {
  return artifact_ref ?? artifact_id ?? "";
}

/** A ref that is not there, of somebody else, out of date or revoked: all look the same (I14). */
export function artifactNotFound(name: string): ToolOutcome["result"] {
  return failure(
    "resource",
    `There is no artifact ${name} here, or its ref is not in force any more`,
    "Use the artifact_ref that artifact_build answered, exactly as it was written",
    { error: "artifact_not_found" },
  );
}

/** An artifact as tools tell of it. */
export function shownArtifact(artifact: Artifact): Record<string, unknown> {
  return {
    artifact_id: artifact.id,
    artifact_ref: artifact.ref,
    digest: artifact.digest,
    artifact_digest: artifact.digest,
    kind: artifact.kind,
    name: artifact.name,
    files: artifact.files.map(({ name, sha256, bytes, executable }) => ({
      ...{ name, handle: sha256, alias: contentAlias(sha256), bytes, executable },
    })),
    entrypoints: artifact.entrypoints,
    layers: artifact.layers.map((layer) => ({
      layer_id: `layer_${layer.digest.slice("sha256:".length, "sha256:".length + 32)}`,
      ...layer,
    })),
    created_at: artifact.createdAt,
  };
}
