/** An installed agent of a workspace, by the revision that is active. */
export interface AgentsTable {
  workspace_id: string;
  id: string;
  revision: string;
  activated_at: string;
}

export interface AgentRevisionsTable {
  workspace_id: string;
  agent_id: string;
  /** The digest of its SKILL.md and files. */
  revision: string;
  number: number;
  manifest: string;
  instructions: string;
  notes: string;
  skill_sha256: string;
  skill_bytes: number;
  /** Beside SKILL.md, in order of their paths. */
  files: string;
  created_at: string;
  created_by: string;
}

/** Keeps the bytes of a revision from being swept. */
export interface AgentBlobsTable {
  workspace_id: string;
  agent_id: string;
  revision: string;
  sha256: string;
}
