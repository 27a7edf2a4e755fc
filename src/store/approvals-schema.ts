/** A question to a person. All but `lapsed` is what the events of its run say. */
export interface ApprovalsTable {
  id: string;
  workspace_id: string;
  run_id: string;
  root_run_id: string;
  call_id: string;
  status: string;
  /** The agent's id; the digest of its revision when it has none. */
  agent: string;
  tool: string;
  summary: string;
  run_key: string;
  agent_key: string;
  artifact_key: string | null;
  requested_at: string;
  expires_at: string;
  answered_at: string | null;
  scope: string | null;
  scope_expires_at: string | null;
  /** 1 once the gateway saw that its scope ran out: a clock that is set back does not bring it back. */
  lapsed: number;
  remembered_until: string | null;
  spent_at: string | null;
  revoked_at: string | null;
  request: string;
  answer: string | null;
}
