/**
 * Agents: what a `SKILL.md` says, checked line by line; the revisions that a workspace has installed, and those that come
 * with the gateway; what an agent accepts as input.
 */
import type { AgentFile, ManifestNote } from "../contract/installed-agent.ts";
import type { AgentManifest } from "../contract/manifest.ts";

export { agentTemplate, type TemplateFile } from "./agent-template.ts";
export { type CoercedInput, coerceInput } from "./coerce-input.ts";
export { ioFaults } from "./cross-checks.ts";
export { didYouMean } from "./did-you-mean.ts";
export { type Discovered, discover, type Sought } from "./discover.ts";
export { skillName } from "./manifest-notes.ts";
export { type ParsedAgent, parseAgent } from "./parse-agent.ts";
export {
  type LoadedAgent,
  loadAgent,
  loadReferenceAgents,
  referenceAgentsDir,
} from "./reference-agents.ts";
export { exportSkill, revisionDigest, runtimeLock } from "./revision.ts";
export type { AgentFileHead } from "./script-entry.ts";

/** One immutable revision of an agent, with all that is in its folder. */
export interface AgentRevision {
  manifest: AgentManifest;
  /** The text below the frontmatter. */
  instructions: string;
  /** Beside `SKILL.md`; their bytes are blobs. */
  files: AgentFile[];
  revision: string;
  number: number;
  origin: "installed" | "reference";
  notes: ManifestNote[];
  createdAt: string | null;
  createdBy: string | null;
}

/** The agents that a workspace has. */
export interface AgentLibrary {
  /** The active revision; undefined: there is no such agent. The blobs of its files are there. */
  find(workspaceId: string, id: string): Promise<AgentRevision | undefined>;
  /** The active revision of each, by id. */
  list(workspaceId: string): Promise<AgentRevision[]>;
}

export {
  type AgentFolder,
  type LibraryOptions,
  type OpenAgentLibrary,
  openAgentLibrary,
} from "./library.ts";
