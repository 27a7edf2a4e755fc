/**
 * The store: facts in SQL. One journal per run, hash-chained; rows that cache its fold; tokens; sealed secrets.
 *
 * I1  A run changes only by appending to its journal; the run row, outputs and content rows are caches of the fold,
 *     written in the same transaction as the events they come from.
 * I4  One writer per run: `epoch` and expected `seq` are checked on every append, inside the transaction.
 * I14 Every row carries its workspace and every question is scoped by it.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Artifact, ArtifactManifest } from "../contract/artifact.ts";
import type { ArtifactProof } from "../contract/artifact-proof.ts";
import type { EventData, EventType, NewEvent, RunEvent, RunParent } from "../contract/event.ts";
import type { Output } from "../contract/output.ts";
import type { ProxyCall } from "../contract/proxy-call.ts";
import type { Run, RunStatus } from "../contract/run.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { Scope, Token } from "../contract/token.ts";
import type { VerifyReport } from "../contract/upkeep.ts";
import type { AgentRows } from "./agents-rows.ts";
import type { ApprovalRows } from "./approval-rows.ts";
import type { Budgets } from "./budgets.ts";
import type { BundleRows } from "./bundles-rows.ts";
import type { Executions } from "./executions.ts";
import type { Knowledge } from "./facts.ts";
import type { Forks } from "./forks.ts";
import type { InteractionRows } from "./interactions.ts";
import type { Layers } from "./layer-rows.ts";
import type { Listed, ListWanted } from "./list-place.ts";
import type { Messages } from "./messages.ts";
import type { BuiltRow, TaskRow, Waits } from "./run-trees.ts";
import type { SealedRows, SealedSecrets, WorkspaceSecrets } from "./sealed.ts";

export type { AgentRevisionRow, AgentRows, NewAgentRevision } from "./agents-rows.ts";
export type { Answered, AnswerToWrite, ApprovalRows } from "./approval-rows.ts";
export { ApprovalUnusable } from "./approvals-fold.ts";
export type { BudgetAsk, Budgets, Reservation, TreeLimits } from "./budgets.ts";
export { lostTurn } from "./budgets-rows.ts";
export { BudgetSpent } from "./budgets-write.ts";
export type { BundleContent, BundleRow, BundleRows, NewBundleRow } from "./bundles-rows.ts";
export { chainHash, genesisHash } from "./chain.ts";
export type { Execution, ExecutionSearch, Executions } from "./executions.ts";
export type { Fact, FactQuery, Knowledge } from "./facts.ts";
export { fold, type RunState } from "./fold.ts";
export type { GivenAnswer, InteractionRows } from "./interactions.ts";
export { KnowledgeRefused } from "./knowledge-write.ts";
export type { Layers, NewLayer } from "./layer-rows.ts";
export type { Addressee, Messages, SentMessage } from "./messages.ts";
export { DatabaseRefused } from "./migrate.ts";
export { openStore } from "./open.ts";
export type { BuiltRow, Resumed, TaskRow, Waits } from "./run-trees.ts";
export type {
  SealedRow,
  SealedRows,
  SealedSecrets,
  SealedVersion,
  WorkspaceSecrets,
} from "./sealed.ts";

/** What a submission writes, all in one transaction: key, run row, event 1, sealed secrets. */
export interface NewRun {
  runId: string;
  workspaceId: string;
  idempotencyKey: string | null;
  bodyHash: string;
  snapshot: RunSnapshot;
  /** `own`: made by the gateway for the run, and not named in its journal. */
  secrets: { name: string; sealed: Uint8Array; own?: boolean }[];
  submittedBy: string;
  /** What it has from the beginning, of the run that it is a fork of. */
  forked?: EventData<"run.forked">;
  /** The call that starts it; it is of the tree of that call's run. Undefined: a root. */
  parent?: RunParent;
}

export type Submitted =
  | { type: "created"; run: Run }
  | { type: "existing"; run: Run }
  | { type: "conflict"; existingRunId: string }
  | { type: "deleted"; runId: string }
  | { type: "queue_full"; queued: number }
  /** The run that it is a fork of was deleted meanwhile. */
  | { type: "source_gone"; runId: string }
  /** The run that would start it is ending. */
  | { type: "parent_ended" }
  /** The tree has as many runs as one may have. */
  | { type: "tree_full"; runs: number };

/** Who may append: the epoch of the worker's lease, and the number of the last event it has seen. */
export interface Fence {
  epoch: number;
  seq: number;
}

export type Appended =
  | { type: "appended"; events: RunEvent[] }
  /** Somebody else appended (a cancellation): read on from `fence.seq`, fold, decide again. */
  | { type: "behind"; lastSeq: number }
  /** Another worker holds the run, or it has ended: let go. */
  | { type: "fenced" };

/** What the worker needs of a run that is not the API's business. */
export interface RunLease {
  run: Run;
  uid: number | null;
  epoch: number;
}

/** What a claim does besides, when the run is driven from then on. */
export interface Begin {
  /** Of these the run gets a uid that no other run has; null: it needs none. */
  uids: { first: number; last: number } | null;
}

export interface ContentRow {
  runId: string;
  name: string;
  visibility: "private" | "session";
  sha256: string;
  bytes: number;
  /** Order of writing within the run tree: larger is newer. */
  order: number;
}

export interface Journal {
  submit(run: NewRun): Promise<Submitted>;
  /** What became of an earlier submission with this key; undefined: there was none, or no key. */
  earlier(
    workspaceId: string,
    idempotencyKey: string | null,
    bodyHash: string,
  ): Promise<Submitted | undefined>;
  /**
   * Takes the run over for this epoch. Undefined when it has ended or was deleted. With `begin` the same transaction
   * writes down that the run is driven, and gives it a uid as far as there is one.
   */
  claim(runId: string, epoch: number, begin?: Begin): Promise<RunLease | undefined>;
  /**
   * Appends all events or none. Resolves only after the commit is on disk. Throws `ApprovalUnusable` when an event would
   * start or allow a call by an approval that is spent, revoked, out of time or not for it; `BudgetSpent` when the budget of
   * the tree has no call left.
   */
  append(runId: string, fence: Fence, events: NewEvent[]): Promise<Appended>;
  /**
   * Appends one event from outside the worker (a cancellation), unless `decide`, called inside the transaction with the
   * run as it is, returns null. Undefined when the run is not there or not of this workspace.
   */
  appendFromOutside(
    workspaceId: string,
    runId: string,
    decide: (run: Run) => NewEvent | null,
  ): Promise<{ run: Run; event: RunEvent | null } | undefined>;
  /**
   * Events with `seq > since`: at most `limit`, and no more than fit in `maxBytes` (8 MiB unless told), but always one.
   * A page shorter than `limit` therefore says nothing; only an empty one is the end.
   */
  read(runId: string, since: number, limit: number, maxBytes?: number): Promise<RunEvent[]>;
  /** Calls back after every commit that appended to this run. Returns how to stop. */
  onAppend(runId: string, callback: (lastSeq: number) => void): () => void;
  /** The newest event of one type, if any. */
  latest(runId: string, type: EventType): Promise<RunEvent | undefined>;
}

export interface Runs {
  get(workspaceId: string, runId: string): Promise<Run | undefined>;
  list(
    workspaceId: string,
    filter: { status?: RunStatus[]; limit: number; cursor?: string },
  ): Promise<{ runs: Run[]; nextCursor?: string }>;
  /** Every run that has not ended, oldest first, of all workspaces. */
  unfinished(): Promise<
    { runId: string; workspaceId: string; rootRunId: string; status: RunStatus }[]
  >;
  /** The root of the run's tree, and the runs of the tree that have not ended. */
  tree(
    workspaceId: string,
    runId: string,
  ): Promise<{ rootRunId: string; open: string[] } | undefined>;
  /** The runs that this one started, oldest first, whatever became of them. */
  tasks(workspaceId: string, runId: string): Promise<TaskRow[]>;
  /** Every run of the tree, its root first. */
  treeTasks(workspaceId: string, rootRunId: string): Promise<TaskRow[]>;
  /** What the runs of the tree built, oldest first. */
  built(workspaceId: string, rootRunId: string): Promise<BuiltRow[]>;
  /** Runs that ended but whose directories may still be there (`cleanup_status` is not final). */
  uncleaned(): Promise<{ runId: string; uid: number | null }[]>;
  /** Runs that have ended and whose directories are kept (`skipped`); of every workspace when it is null. */
  retained(workspaceId: string | null): Promise<string[]>;
  /** Appends `run.cleaned` after the end, when a later sweep removed what the first could not. */
  markCleaned(runId: string): Promise<void>;
  /**
   * Deletes a run that has ended, with all that it started, their events, outputs and references; its key answers 410 from
   * then on. `a_task`: it goes with the first run of its tree, whose other runs may need what it wrote.
   */
  delete(
    workspaceId: string,
    runId: string,
  ): Promise<"deleted" | "not_finished" | "not_found" | { type: "a_task"; rootRunId: string }>;
  /** Gives the run a host uid of its own from the range, or the one it has. */
  takeUid(runId: string, range: { first: number; last: number }): Promise<number>;
  freeUid(runId: string): Promise<void>;
  /** Whether a deleted run of this workspace had this id: such ids answer 410, all others 404. */
  wasDeleted(workspaceId: string, runId: string): Promise<boolean>;
}

export interface RunFiles {
  outputs(workspaceId: string, runId: string): Promise<Output[]>;
  output(workspaceId: string, runId: string, outputId: string): Promise<Output | undefined>;
  /** Every version of all content visible to a run of this tree, oldest first. */
  content(rootRunId: string): Promise<ContentRow[]>;
  /** Whether any row of any workspace still refers to the blob. */
  isReferenced(sha256: string): Promise<boolean>;
  /** Every digest that any row refers to. */
  referenced(): AsyncIterable<string>;
}

export interface NewArtifact {
  manifest: ArtifactManifest;
  name: string | null;
  createdAt: string;
  runId: string | null;
  callId: string | null;
}

/** Immutable bundles of files and layers, named by what is in them. */
export interface Artifacts {
  /**
   * Keeps an artifact that was uploaded, with a ref that all of the workspace may use. Throws `not_found` when the
   * workspace does not know one of its layers (any more).
   */
  add(workspaceId: string, artifact: NewArtifact, ref: string): Promise<Artifact>;
  /**
   * By id, or by a ref that is in force. A ref that a run tree made is for that tree, and for the API (`rootRunId` null).
   */
  get(
    workspaceId: string,
    idOrRef: string,
    rootRunId: string | null,
  ): Promise<Artifact | undefined>;
  /** Newest first; fewer than are wanted when they are large. */
  list(workspaceId: string, wanted: ListWanted): Promise<Listed<Artifact>>;
  /** What was proved of an artifact, newest first. */
  proofs(workspaceId: string, artifactId: string): Promise<ArtifactProof[]>;
  revokeRef(workspaceId: string, ref: string): Promise<boolean>;
}

/** Builds that were done before, by everything that could change what comes out. */
export interface Builds {
  find(
    workspaceId: string,
    key: string,
  ): Promise<{ layers: unknown; createdAt: string } | undefined>;
  /** Later builds replace earlier ones. `digests` are held as long as the build is in force. */
  put(
    workspaceId: string,
    build: { key: string; layers: unknown; digests: string[]; expiresAt: string | null },
  ): Promise<void>;
}

export interface Tokens {
  /** Makes a token; `secret` is shown once and only its hash is kept. */
  create(token: {
    name: string;
    workspaceName: string;
    scopes: Scope[];
  }): Promise<{ token: Token; secret: string }>;
  list(): Promise<Token[]>;
  revoke(tokenId: string): Promise<Token | undefined>;
  /** The live token with this secret. Compared by hash, so timing tells nothing. */
  find(secret: string): Promise<Token | undefined>;
  count(): Promise<number>;
}

/** What calls of proxy endpoints have used. The calls themselves are `proxy.called` events and rows that follow from them. */
export interface ProxyAccounts {
  /**
   * Takes one call of the endpoint's budget, durably, before anything is sent. Atomic: never more than `calls` are taken,
   * however many ask at once, and whatever dies in between.
   */
  reserve(request: {
    id: string;
    runId: string;
    workspaceId: string;
    endpoint: string;
    calls: number;
    /** It is about to be sent: one commit in place of two. */
    isSent?: boolean;
  }): Promise<{ ok: true; used: ProxyUsed } | { ok: false; used: ProxyUsed }>;
  /** Durable before the first byte is sent: from here on the call counts, even if nobody comes back to settle it. */
  sent(id: string): Promise<void>;
  /** Nothing was sent: the call is given back. */
  release(id: string): Promise<void>;
  used(runId: string, endpoint: string): Promise<ProxyUsed>;
  /** What an earlier gateway reserved and nobody settled. */
  unsettled(runId: string): Promise<{ id: string; endpoint: string; sent: boolean; at: string }[]>;
  list(
    workspaceId: string,
    runId: string,
    page: { after: string | null; most: number },
  ): Promise<Listed<ProxyCall>>;
}

export interface ProxyUsed {
  /** Settled and reserved. */
  calls: number;
  /** Of settled answers. */
  bytes: number;
}

export interface Store {
  knowledge: Knowledge;
  journal: Journal;
  runs: Runs;
  files: RunFiles;
  layers: Layers;
  artifacts: Artifacts;
  builds: Builds;
  agents: AgentRows;
  bundles: BundleRows;
  approvals: ApprovalRows;
  executions: Executions;
  forks: Forks;
  interactions: InteractionRows;
  messages: Messages;
  waits: Waits;
  tokens: Tokens;
  secrets: SealedSecrets;
  workspaceSecrets: WorkspaceSecrets;
  sealed: SealedRows;
  proxy: ProxyAccounts;
  budgets: Budgets;
  /** The number of this start of the gateway: the epoch of every lease it takes. */
  epoch: number;
  /** Checks every chain, every cached row against its chain, and the database itself. */
  verify(onProgress?: (runs: number) => void): Promise<VerifyReport>;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** The data directory. Created (0710) when it is not there; locked until `close` or death. */
  dir: string;
  clock: Clock;
  log: Log;
  /** Called once when the disk broke a promise (a failed fsync): nothing is accepted any more, the process must end. */
  onBroken: (error: unknown) => void;
}
