import { artifactIdentity } from "../base/artifact-identity.ts";
import type { Artifact, ArtifactFile } from "../contract/artifact.ts";
import { Problem } from "../contract/problem.ts";

/** The artifact, when its manifest is what its digest says. Throws `digest_mismatch`, naming it, when a row was changed. */
export function soundArtifact(artifact: Artifact): Artifact {
  const { kind, files, entrypoints, layers, id, digest } = artifact;
  const found = artifactIdentity({ kind, files, entrypoints, layers });
  if (found.id === id && found.digest === digest) return artifact;
  const message = `The artifact ${id} is damaged: its manifest has the digest ${found.digest}, expected ${digest}`;
  throw new Problem("digest_mismatch", message, { artifactId: id });
}

/**
 * Work with the bytes of one file of an artifact. Bytes that are damaged or gone are `digest_mismatch` and name the file:
 * nobody knows files by their digests.
 */
export async function ofFile<T>(
  { id }: Artifact,
  { name, sha256 }: ArtifactFile,
  work: Promise<T>,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code !== "digest_mismatch" && error.code !== "not_found") throw error;
    const message = `The file ${JSON.stringify(name)} of ${id} is damaged: ${error.message}`;
    const details = { artifactId: id, file: name, sha256 };
    throw new Problem("digest_mismatch", message, details, { cause: error });
  }
}
