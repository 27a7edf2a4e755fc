/** What a run waits for, beside an approval: the data of its `wait.started`. */
export interface WaitsTable {
  run_id: string;
  workspace_id: string;
  on_what: string;
  wait: string;
  until: string | null;
  started_at: string;
}

/** A question of an agent to a person. All of it is what the events of its run say. */
export interface InteractionsTable {
  id: string;
  workspace_id: string;
  run_id: string;
  root_run_id: string;
  call_id: string;
  agent: string | null;
  status: string;
  request: string;
  answer: string | null;
  requested_at: string;
  expires_at: string;
  answered_at: string | null;
}

/** A call of a run, for those who search: what the events of the run say. */
export interface ExecutionsTable {
  run_id: string;
  call_id: string;
  workspace_id: string;
  root_run_id: string;
  tool: string;
  /** The first characters of its command, when it has one. */
  command: string | null;
  /** The event that asked for it; the one that ended it is `seq`. */
  asked_seq: number;
  seq: number | null;
  outcome: string | null;
  success: number | null;
  error_type: string | null;
  exit_code: number | null;
  finished_at: string | null;
  duration_ms: number | null;
}
