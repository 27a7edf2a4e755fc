import { z } from "zod";
import { ArtifactIdOrRef, artifactKinds } from "./artifact.ts";
import { LayerIdOrDigest } from "./layer.ts";
import { InputFile, RunLimits } from "./submission.ts";

/** What a caller sends to `POST /api/artifacts`: files, the layers they need, and what can be started. */
export const ArtifactUpload = z
  .strictObject({
    files: z.array(InputFile).max(1000).optional(),
    inputs: z
      .array(ArtifactIdOrRef)
      .max(32)
      .optional()
      .describe("Artifacts that are merged in first; of two things with one name the later counts"),
    entrypoints: z.array(z.string().min(1)).max(100).optional(),
    layers: z
      .array(
        z.strictObject({
          layer: LayerIdOrDigest,
          mount_path: z.string(),
          mount_as: z.string().optional(),
        }),
      )
      .max(64)
      .optional(),
    kind: z.enum(artifactKinds).optional(),
    name: z.string().min(1).max(128).optional(),
  })
  .meta({ id: "ArtifactUpload" });
export type ArtifactUpload = z.input<typeof ArtifactUpload>;

const args = z
  .array(z.string().refine((text) => !text.includes("\0"), "must not contain NUL"))
  .max(1000)
  .optional()
  .describe("Given to the program as they are; no shell reads them");

/** `POST /api/artifacts/:ref/exec`: one program of an artifact, without a model and without network. */
export const ArtifactExec = z
  .strictObject({
    entrypoint: z.string().min(1).describe("One of the artifact's entrypoints"),
    args,
    limits: RunLimits.optional(),
    idempotencyKey: z.string().min(1).max(255).optional(),
  })
  .meta({ id: "ArtifactExec" });
export type ArtifactExec = z.input<typeof ArtifactExec>;

/** `POST /api/artifacts/:ref/prove`: the same, kept as evidence; a command of one's own in place of an entrypoint. */
export const ArtifactProve = z
  .strictObject({
    entrypoint: z.string().min(1).optional(),
    command: z.string().min(1).optional().describe("A shell command, in place of an entrypoint"),
    args,
    limits: RunLimits.optional(),
    idempotencyKey: z.string().min(1).max(255).optional(),
  })
  .refine(
    ({ entrypoint, command }) => entrypoint === undefined || command === undefined,
    "must not have both entrypoint and command",
  )
  .meta({ id: "ArtifactProve" });
export type ArtifactProve = z.input<typeof ArtifactProve>;
