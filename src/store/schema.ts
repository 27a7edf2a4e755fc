/**
 * The tables as the queries see them. Portable on purpose: integers, text and blobs only; JSON is text, a yes or no is
 * 1 or 0, a time is ISO 8601 text. The migrations make them; a change here comes with a new migration.
 */
export interface Schema {
  meta: MetaTable;
  workspaces: WorkspacesTable;
  tokens: TokensTable;
  runs: RunsTable;
  events: EventsTable;
  idempotency_keys: IdempotencyKeysTable;
  deleted_runs: DeletedRunsTable;
  outputs: OutputsTable;
  contents: ContentsTable;
  blob_refs: BlobRefsTable;
  sealed_secrets: SealedSecretsTable;
  uids: UidsTable;
  layers: LayersTable;
  run_layers: RunLayersTable;
  artifacts: ArtifactsTable;
  artifact_blobs: ArtifactBlobsTable;
  artifact_layers: ArtifactLayersTable;
  artifact_refs: ArtifactRefsTable;
  builds: BuildsTable;
  build_layers: BuildLayersTable;
  artifact_proofs: ArtifactProofsTable;
  approvals: ApprovalsTable;
}

/** Facts about the database itself: `schema_version`, `epoch`. */
interface MetaTable {
  key: string;
  value: number;
}

interface WorkspacesTable {
  id: string;
  name: string;
  created_at: string;
}

interface TokensTable {
  id: string;
  workspace_id: string;
  name: string;
  scopes: string;
  secret_hash: string;
  created_at: string;
  revoked_at: string | null;
}

/** The part of a run's row that is nothing but the fold of its events (I1), column by column. */
export interface FoldColumns {
  status: string;
  stop_reason: string | null;
  cleanup_status: string;
  message: string | null;
  model: string;
  last_text: string | null;
  isolation: string | null;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  cost_nano_usd: number | null;
  turns: number;
  calls: number;
  last_seq: number;
  head: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  updated_at: string;
}

export interface RunsTable extends FoldColumns {
  id: string;
  workspace_id: string;
  root_run_id: string;
  epoch: number;
}

export interface EventsTable {
  run_id: string;
  seq: number;
  workspace_id: string;
  type: string;
  time: string;
  hash: string;
  data: string;
}

interface IdempotencyKeysTable {
  workspace_id: string;
  key: string;
  body_hash: string;
  run_id: string;
  deleted: number;
}

/** What is left of a deleted run: its id answers 410, and its directories may still have to go. */
interface DeletedRunsTable {
  run_id: string;
  workspace_id: string;
  deleted_at: string;
  cleaned: number;
}

export interface OutputsTable {
  id: string;
  run_id: string;
  workspace_id: string;
  position: number;
  path: string;
  name: string;
  sha256: string;
  bytes: number;
  content_type: string;
}

export interface ContentsTable {
  root_run_id: string;
  position: number;
  run_id: string;
  workspace_id: string;
  name: string;
  visibility: string;
  sha256: string;
  bytes: number;
}

interface BlobRefsTable {
  run_id: string;
  sha256: string;
  workspace_id: string;
}

interface SealedSecretsTable {
  run_id: string;
  name: string;
  workspace_id: string;
  sealed: Uint8Array;
}

/** Host uids that are taken. A table of its own, so that no uid can ever have two runs. */
interface UidsTable {
  uid: number;
  run_id: string;
}

/** A layer as one workspace knows it. Its bytes are shared; that they are there tells another workspace nothing (I14). */
export interface LayersTable {
  workspace_id: string;
  digest: string;
  id: string;
  name: string;
  file_count: number;
  size_bytes: number;
  abi: string | null;
  hosts: string;
  created_at: string;
  run_id: string | null;
  call_id: string | null;
  /** Brought by a person, who alone takes it away again. */
  imported: number;
}

interface RunLayersTable {
  run_id: string;
  digest: string;
  workspace_id: string;
}

export interface ArtifactsTable {
  workspace_id: string;
  id: string;
  digest: string;
  manifest: string;
  name: string | null;
  created_at: string;
  run_id: string | null;
  call_id: string | null;
}

interface ArtifactBlobsTable {
  workspace_id: string;
  artifact_id: string;
  sha256: string;
}

interface ArtifactLayersTable {
  workspace_id: string;
  artifact_id: string;
  digest: string;
}

interface ArtifactRefsTable {
  ref: string;
  workspace_id: string;
  artifact_id: string;
  root_run_id: string | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

interface BuildsTable {
  workspace_id: string;
  key: string;
  layers: string;
  created_at: string;
  expires_at: string | null;
}

interface BuildLayersTable {
  workspace_id: string;
  key: string;
  digest: string;
}

interface ArtifactProofsTable {
  workspace_id: string;
  artifact_id: string;
  run_id: string;
  call_id: string;
  proof: string;
  created_at: string;
}

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
