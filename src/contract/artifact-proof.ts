import { z } from "zod";
import { Digest, RunId } from "./ids.ts";
import { Isolation } from "./run.ts";

/** What the program wrote, as digests: enough to see that two runs wrote the same. */
export const ProofOutput = z.object({
  stdout: Digest.describe("Of what was kept of it, which is all but of a very long one"),
  stderr: Digest,
});
export type ProofOutput = z.infer<typeof ProofOutput>;

/** Evidence that an artifact worked, or did not, with nothing but what is in it: no network, no other files. */
export const ArtifactProof = z
  .object({
    runId: RunId,
    artifactDigest: Digest,
    layers: z.array(Digest),
    entrypoint: z.string().nullable(),
    command: z.string().nullable(),
    args: z.array(z.string()),
    passed: z.boolean().describe("It ended by itself, with exit code 0"),
    exitCode: z.int().nullable(),
    output: ProofOutput.nullable().describe("null: kept by a gateway that did not keep it"),
    isolation: Isolation,
    network: z.literal("none"),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: "ArtifactProof" });
export type ArtifactProof = z.infer<typeof ArtifactProof>;
