import { createHash } from "node:crypto";
import type { ArtifactManifest } from "../contract/artifact.ts";
import { canonicalJson } from "./canonical-json.ts";

/**
 * What an artifact is called: the hash of the canonical JSON (RFC 8785) of everything in it, and of nothing else, so that
 * the same files, modes, entrypoints and layers have the same name on every machine (P5).
 */
export function artifactIdentity(manifest: ArtifactManifest): { id: string; digest: string } {
  const hex = createHash("sha256").update(canonicalJson(manifest)).digest("hex");
  return { id: `art_${hex.slice(0, 32)}`, digest: `sha256:${hex}` };
}
