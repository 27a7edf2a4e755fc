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
import type {
  Approval,
  ApprovalRequest,
  ApprovalScope,
  ApprovalStatus,
  ScopePreview,
} from "../contract/approval.ts";
import type { Artifact, ArtifactManifest } from "../contract/artifact.ts";
import type { ArtifactProof } from "../contract/artifact-proof.ts";
import type { EventType, NewEvent, RunEvent } from "../contract/event.ts";
import type { Layer } from "../contract/layer.ts";
import type { Output } from "../contract/output.ts";
import type { Run, RunStatus } from "../contract/run.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { Scope, Token } from "../contract/token.ts";
import type { VerifyReport } from "../contract/upkeep.ts";
import type { Listed, ListWanted } from "./list-place.ts";

export { ApprovalUnusable } from "./approvals-fold.ts";
export { DatabaseRefused } from "./migrate.ts";
export { openStore } from "./open.ts";

/** What a submission writes, all in one transaction: key, run row, event 1, sealed secrets. */
export interface NewRun {
  runId: string;
  workspaceId: string;
  idempotencyKey: string | null;
  bodyHash: string;
  snapshot: RunSnapshot;
  secrets: { name: string; sealed: Uint8Array }[];
  submittedBy: string;
}

export type Submitted =
  | { type: "created"; run: Run }
  | { type: "existing"; run: Run }
  | { type: "conflict"; existingRunId: string }
  | { type: "deleted"; runId: string }
  | { type: "queue_full"; queued: number };

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
  /** Takes the run over for this epoch. Undefined when it has ended or was deleted. */
  claim(runId: string, epoch: number): Promise<RunLease | undefined>;
  /**
   * Appends all events or none. Resolves only after the commit is on disk. Throws `ApprovalUnusable` when an event would
   * start or allow a call by an approval that is spent, revoked, out of time or not for it.
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
  unfinished(): Promise<{ runId: string; workspaceId: string; status: RunStatus }[]>;
  /** The root of the run's tree, and the runs of the tree that have not ended. */
  tree(
    workspaceId: string,
    runId: string,
  ): Promise<{ rootRunId: string; open: string[] } | undefined>;
  /** Runs that ended but whose directories may still be there (`cleanup_status` is not final). */
  uncleaned(): Promise<{ runId: string; uid: number | null }[]>;
  /** Appends `run.cleaned` after the end, when a later sweep removed what the first could not. */
  markCleaned(runId: string): Promise<void>;
  /** Deletes a run that has ended, with events, outputs and references; its key answers 410 from then on. */
  delete(workspaceId: string, runId: string): Promise<"deleted" | "not_finished" | "not_found">;
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

/** A layer that a workspace gets to know. */
export type NewLayer = Omit<Layer, "id"> & { imported: boolean };

/**
 * The layers that a workspace knows. The bytes of equal layers are one tree on disk; whether another workspace has them
 * is nobody's business (I14).
 */
export interface Layers {
  /** By id or digest. */
  get(workspaceId: string, idOrDigest: string): Promise<Layer | undefined>;
  /** Newest first. */
  list(workspaceId: string, wanted: ListWanted): Promise<Listed<Layer>>;
  /** Makes a layer that a person brought known. One that is known already stays as it is. */
  import(workspaceId: string, layer: Omit<NewLayer, "imported">): Promise<Layer>;
  /** Takes an imported layer away, unless an artifact, a run or a cached build needs it. */
  forget(workspaceId: string, digest: string): Promise<"forgotten" | "in_use" | "not_found">;
  /** Drops the rows of layers that nothing holds any more, and of builds that are out of date. */
  dropUnheld(): Promise<number>;
  /** Every digest that any workspace still knows: the trees that a sweep must leave alone. */
  kept(): Promise<Set<string>>;
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

/** An answer as it is written down. */
export interface AnswerToWrite {
  status: "approved" | "denied";
  scope: ApprovalScope | null;
  scopeExpiresAt: string | null;
  answeredBy: string;
  note: string | null;
  rememberedUntil: string | null;
}

/** A run whose call was answered: it can go on. */
export interface Resumed {
  runId: string;
  workspaceId: string;
}

export type Answered =
  | { type: "answered"; approval: Approval; resumed: Resumed[] }
  /** It had an answer already, or has run out: the approval as it is. */
  | { type: "already"; approval: Approval; resumed: Resumed[] };

/**
 * The rows of approvals: what the events of the journals say of them, written in the same transaction (I1). They outlive
 * the run that asked.
 */
export interface ApprovalRows {
  /**
   * The time by which approvals run out: wall-clock milliseconds that never go back. A new request takes its
   * `expires_at` from here.
   */
  now(): number;
  get(workspaceId: string, id: string): Promise<Approval | undefined>;
  list(
    workspaceId: string,
    filter: { status?: ApprovalStatus; limit: number; cursor?: string },
  ): Promise<{ approvals: Approval[]; nextCursor?: string }>;
  /**
   * Appends `approval.resolved` to the run that asked, and to every run whose pending request the answer covers. Undefined
   * when it is not there.
   */
  answer(workspaceId: string, id: string, answer: AnswerToWrite): Promise<Answered | undefined>;
  /** Appends `approval.resolved` with `expired` where nobody answered in time; standing approvals out of time end. */
  expire(): Promise<Resumed[]>;
  /**
   * Gives pending requests the answer that covers them already: this one, or all. Such are left by a crash in the middle
   * of `answer`, and by a request that was written in the moment of an answer.
   */
  settle(id?: string): Promise<Resumed[]>;
  /** When the next pending request or standing approval runs out, as wall-clock milliseconds. */
  nextExpiry(): Promise<number | undefined>;
  /** An approval in force that covers a call with these keys, and the call would otherwise be asked for. */
  standing(
    workspaceId: string,
    rootRunId: string,
    keys: ApprovalRequest["keys"],
  ): Promise<{ id: string; scope: ApprovalScope } | undefined>;
  /** A refusal of the very same call (of `artifact_exec`: the same program) that is still remembered. */
  refusal(
    workspaceId: string,
    keys: ApprovalRequest["keys"],
  ): Promise<{ id: string; until: string; note: string | null } | undefined>;
  /** How often a run tree has asked since then. */
  askedSince(rootRunId: string, since: string): Promise<number>;
  /** Appends `approval.revoked`. Undefined when it is not there; null when there is nothing to take back. */
  revoke(
    workspaceId: string,
    id: string,
    revocation: { revokedBy: string; reason: string | null },
  ): Promise<Approval | null | undefined>;
  /** Past requests of the workspace that each scope would also have covered. */
  previews(workspaceId: string, approval: Approval): Promise<ScopePreview[]>;
  /** The newest approved request of the same agent (by id, else by revision) and tool before this one. */
  lastApproved(workspaceId: string, approval: Approval): Promise<Approval | undefined>;
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

export interface SealedSecrets {
  get(runId: string): Promise<{ name: string; sealed: Uint8Array }[]>;
}

export interface Store {
  journal: Journal;
  runs: Runs;
  files: RunFiles;
  layers: Layers;
  artifacts: Artifacts;
  builds: Builds;
  approvals: ApprovalRows;
  tokens: Tokens;
  secrets: SealedSecrets;
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
