import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";

/**
 * The revision of an agent: the hash of the canonical JSON (RFC 8785) of what is in its folder, and of nothing else, so
 * that the same bytes are the same revision whoever installs them (P5). `skill` is the digest of its SKILL.md.
 */
export function agentIdentity(
  skill: string,
  files: readonly { path: string; sha256: string; executable: boolean }[],
): string {
  const named = files
    .map(({ path, sha256, executable }) => ({ path, sha256, executable }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const text = canonicalJson({ skill, files: named });
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
