import type { AgentBlobsTable, AgentRevisionsTable, AgentsTable } from "./agents-schema.ts";
import type { ApprovalsTable } from "./approvals-schema.ts";
import type {
  BundleBlobsTable,
  BundleContentsTable,
  BundlesTable,
  RunBundlesTable,
} from "./bundles-schema.ts";
import type { ExecutionsTable, InteractionsTable, WaitsTable } from "./interactions-schema.ts";
import type { AgentStateTable, KnowledgeTable } from "./knowledge-tables.ts";

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
  workspace_secrets: WorkspaceSecretsTable;
  proxy_calls: ProxyCallsTable;
  proxy_used: ProxyUsedTable;
  proxy_reservations: ProxyReservationsTable;
  waits: WaitsTable;
  built_artifacts: BuiltArtifactsTable;
  interactions: InteractionsTable;
  executions: ExecutionsTable;
  knowledge: KnowledgeTable;
  agent_state: AgentStateTable;
  agents: AgentsTable;
  agent_revisions: AgentRevisionsTable;
  agent_blobs: AgentBlobsTable;
  bundles: BundlesTable;
  bundle_contents: BundleContentsTable;
  bundle_blobs: BundleBlobsTable;
  run_bundles: RunBundlesTable;
  budgets: BudgetsTable;
  budget_used: BudgetUsedTable;
  budget_reservations: BudgetReservationsTable;
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
  /** The run that started it by a call; null: a root. */
  parent_run_id: string | null;
  parent_call_id: string | null;
  agent: string | null;
  join_group: string | null;
  join_policy: string | null;
  /** 0: a root. */
  depth: number;
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

/** One value of a secret of a workspace. */
export interface WorkspaceSecretsTable {
  workspace_id: string;
  name: string;
  version: number;
  /** When there first was a secret of this name. */
  named_at: string;
  created_at: string;
  set_by: string;
  /** Null: the present value. All others are kept to be cut out of what is written down. */
  replaced_at: string | null;
  sealed: Uint8Array;
}

/** A `proxy.called` event as a row. */
export interface ProxyCallsTable {
  run_id: string;
  id: string;
  workspace_id: string;
  call_id: string | null;
  endpoint: string;
  door: string;
  method: string;
  path: string;
  request_bytes: number;
  status: number | null;
  response_bytes: number;
  outcome: string;
  error: string | null;
  mode_clamped: number;
  truncated: number;
  redacted: number;
  started_at: string;
  duration_ms: number;
}

/** The sum of the settled calls of an endpoint: what the events say. */
export interface ProxyUsedTable {
  run_id: string;
  endpoint: string;
  workspace_id: string;
  calls: number;
  bytes: number;
}

/** A call that was taken from a budget and has no event yet. */
export interface ProxyReservationsTable {
  id: string;
  run_id: string;
  workspace_id: string;
  endpoint: string;
  /** 1 before its first byte was sent: it counts, whatever becomes of it. */
  sent: number;
  at: string;
}

/** An artifact that a call of the run gave back, new or found: an artifact itself names only the run that made it first. */
export interface BuiltArtifactsTable {
  run_id: string;
  /** Of the event. */
  seq: number;
  workspace_id: string;
  root_run_id: string;
  artifact_id: string;
  artifact_ref: string;
  name: string | null;
  built_at: string;
}

/** What a run tree may use up, and what it has: the sums of `budget_used`. A limit that is null is none. */
export interface BudgetsTable {
  root_run_id: string;
  workspace_id: string;
  tokens: number | null;
  nano_usd: number | null;
  turns: number | null;
  calls: number | null;
  wall_clock_ms: number | null;
  used_tokens: number;
  used_nano_usd: number;
  used_turns: number;
  used_calls: number;
}

/** What the events of one run have used of the budget of its tree. */
export interface BudgetUsedTable {
  run_id: string;
  root_run_id: string;
  workspace_id: string;
  tokens: number;
  nano_usd: number;
  turns: number;
  calls: number;
}

/** What the turn of a run that has no event yet may cost at most. */
export interface BudgetReservationsTable {
  run_id: string;
  root_run_id: string;
  workspace_id: string;
  turn: number;
  tokens: number;
  nano_usd: number;
  at: string;
}
