import type { AgentFile, ManifestNote } from "../contract/installed-agent.ts";
import type { AgentManifest } from "../contract/manifest.ts";

/** One revision of an installed agent, as it is written down. */
export interface AgentRevisionRow {
  agentId: string;
  /** The digest of its SKILL.md and files (`agentIdentity`). */
  revision: string;
  /** From 1; the same bytes keep theirs. */
  number: number;
  manifest: AgentManifest;
  instructions: string;
  notes: ManifestNote[];
  skill: { sha256: string; bytes: number };
  /** Beside SKILL.md, in order of their paths. */
  files: AgentFile[];
  createdAt: string;
  createdBy: string;
}

export type NewAgentRevision = Omit<
  AgentRevisionRow,
  "agentId" | "revision" | "number" | "createdAt"
>;

/** The agents that workspaces have installed. Every revision is kept as long as the agent is. */
export interface AgentRows {
  /**
   * Keeps a revision and makes it the active one; `created: false` when the workspace had these bytes already. Throws
   * `invalid_request` when the workspace has too many. The blobs are there before, and kept from then on.
   */
  install(
    workspaceId: string,
    revision: NewAgentRevision,
  ): Promise<{ created: boolean; revision: AgentRevisionRow }>;
  /** The active revision, or the one with this digest or number. Throws `digest_mismatch` when it cannot be read. */
  find(
    workspaceId: string,
    id: string,
    revision?: string | number,
  ): Promise<AgentRevisionRow | undefined>;
  /** The active revision of each, by id. One that cannot be read is left out, and logged. */
  list(workspaceId: string): Promise<AgentRevisionRow[]>;
  /** All revisions of one, oldest first. */
  revisions(
    workspaceId: string,
    id: string,
  ): Promise<{ revision: string; number: number; createdAt: string }[]>;
  /** Takes an agent away with all its revisions; runs have their own. False: there was none. */
  delete(workspaceId: string, id: string): Promise<boolean>;
}
