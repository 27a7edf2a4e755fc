/** A fact that an agent keeps: what the newest `sdk.called` says that wrote it. Its run may have been deleted. */
export interface KnowledgeTable {
  workspace_id: string;
  id: string;
  scope: string;
  owner: string;
  /** Canonical JSON. */
  content: string;
  content_hash: string;
  /** JSON, as are those that it is shared with. */
  tags: string;
  visibility: string;
  shared_with: string;
  run_id: string;
  seq: number;
  created_at: string;
  updated_at: string;
}

/** A value that an agent keeps for itself, in the same way. */
export interface AgentStateTable {
  workspace_id: string;
  owner: string;
  kind: string;
  key: string;
  value: string;
  value_hash: string;
  run_id: string;
  seq: number;
  updated_at: string;
}
