import { createHash } from "node:crypto";
import { stringify } from "yaml";
import { agentIdentity } from "../base/agent-identity.ts";
import type { AgentFile } from "../contract/installed-agent.ts";
import { version } from "../version.ts";
import type { AgentRevision } from "./agents.ts";
import { skillName } from "./manifest-notes.ts";

/** The name of a revision: of `SKILL.md`, byte by byte, and of every file beside it with its path and mode. */
export function revisionDigest(agent: {
  skill: string | Uint8Array;
  files: readonly Pick<AgentFile, "path" | "sha256" | "executable">[];
}): string {
  return agentIdentity(sha256(agent.skill), agent.files);
}

function sha256(bytes: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** What a revision runs with, as the gateway says it: made for each revision, never read from one. */
export function runtimeLock({ revision, manifest, files }: AgentRevision): string {
  return stringify({
    agent: { id: manifest.agent.id, revision },
    gateway: { artifact: "airlock", version },
    sdk: { version },
    sandbox: { backend: "bubblewrap" },
    dependencies: [],
    files: files.map(({ path, sha256, bytes }) => ({ path, sha256, bytes })),
  });
}

/** The canonical form of a `SKILL.md`: what agentskills.io reads, with the manifest below `metadata.airlock`. */
export function exportSkill({
  manifest,
  instructions,
}: Pick<AgentRevision, "manifest" | "instructions">): string {
  const { id, name, description } = manifest.agent;
  const frontmatter = {
    name: skillName(id),
    description: description || name || id,
    metadata: { airlock: manifest },
  };
  // Without line folding: a text that is read again has to be the same. Without aliases: they are not read.
  const yaml = stringify(frontmatter, { lineWidth: 0, aliasDuplicateObjects: false });
  return `---\n${yaml}---\n${instructions === "" ? "" : `\n${instructions}\n`}`;
}
