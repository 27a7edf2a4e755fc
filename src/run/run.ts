/**
 * The corridor: the life of one run, in reading order: submit, worker, loop, turn, call, finish.
 *
 * I2  Intent before effect: `call.started` is durable before a tool runs; a start without a finish, found after a crash,
 *     is reported to the model as `interrupted`, never silently repeated, unless the tool is `repeatable`.
 * I3  The loop holds no state that the journal does not.
 * I5  Every effect passes `decide` once, at dispatch; the decision and its rule are in the journal.
 * I9  Every queue, buffer, loop and wait has a limit; reaching it is an event with a name.
 * I12 A waiting run holds no process, no memory and no slot.
 */
import type { Readable } from "node:stream";
import type { z } from "zod";
import type { LiveEvent, RunEvent } from "../contract/event.ts";
import type { Output } from "../contract/output.ts";
import type { Run, RunStatus } from "../contract/run.ts";
import type { ForkRequest, RunTree } from "../contract/run-tree.ts";
import type { RunLimits, RunSubmission } from "../contract/submission.ts";

export interface SubmitRequest {
  workspaceId: string;
  /** The token's id, for the record. */
  submittedBy: string;
  submission: z.output<typeof RunSubmission>;
  /** Bytes of the multipart parts (`file:<slot>`, `skill:<slot>`, `agentsmd:<slot>`) by their names, already stored. */
  uploads: Map<string, { sha256: string; bytes: number }>;
}

export interface ForkOrder extends ForkRequest {
  workspaceId: string;
  submittedBy: string;
  runId: string;
}

export interface ExecArtifactRequest {
  workspaceId: string;
  submittedBy: string;
  /** `art_…` or `ar.…`. */
  ref: string;
  /** One of its entrypoints, or a shell command; neither: its only entrypoint. */
  entrypoint?: string;
  command?: string;
  args: string[];
  /** Keep what came of it as evidence. */
  prove: boolean;
  limits?: RunLimits;
  idempotencyKey?: string;
}

/** What the front door and the console may do with runs. Every method is scoped by workspace (I14) and throws `Problem`s. */
export interface Corridor {
  /** Stores one uploaded part before its submission is known to be good; the sweep takes it if it never is. */
  upload(
    source: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<{ sha256: string; bytes: number }>;
  /** I10. `created: false` when key and canonical body are those of a run that is already there. */
  submit(request: SubmitRequest): Promise<{ created: boolean; run: Run }>;
  /** A run of one program of an artifact; key and answer are those of `submit`. See `submitProgram`. */
  execArtifact(request: ExecArtifactRequest): Promise<{ created: boolean; run: Run }>;
  /** A new run that remembers another one up to a turn; key and answer are those of `submit`. See `fork`. */
  fork(request: ForkOrder): Promise<{ created: boolean; run: Run }>;
  get(workspaceId: string, runId: string): Promise<Run>;
  list(
    workspaceId: string,
    filter: { status?: RunStatus[]; limit: number; cursor?: string },
  ): Promise<{ runs: Run[]; nextCursor?: string }>;
  /** Durable before it resolves. Cancelling a run that has ended changes nothing and returns it. */
  cancel(workspaceId: string, runId: string, requestedBy: string): Promise<Run>;
  /**
   * The emergency stop of a run and of all that it started. Durable before it resolves; the second one, and one of a run
   * that has ended, changes nothing.
   */
  stop(
    workspaceId: string,
    runId: string,
    order: { requestedBy: string; reason: string },
  ): Promise<Run>;
  /** The tree to which the run belongs. See `readRunTree`. */
  tree(workspaceId: string, runId: string): Promise<RunTree>;
  /**
   * With all that it started. `run_not_finished` while any of these runs; afterwards the run and its key answer
   * `run_deleted`. A task is deleted with its root, and `invalid_request` by itself.
   */
  delete(workspaceId: string, runId: string): Promise<void>;
  /** Events with `seq > since`, at most `limit`; `more` when there are further ones. */
  events(
    workspaceId: string,
    runId: string,
    since: number,
    limit: number,
  ): Promise<{ events: RunEvent[]; more: boolean }>;
  /**
   * History after `since`, then what happens, until the run has ended or the signal aborts. Durable events come without
   * a gap and in order; live ones only when nobody has to wait for them: a slow reader misses live events, never
   * durable ones.
   */
  follow(
    workspaceId: string,
    runId: string,
    since: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<RunEvent | LiveEvent>>;
  outputs(workspaceId: string, runId: string): Promise<Output[]>;
  output(
    workspaceId: string,
    runId: string,
    outputId: string,
  ): Promise<{ output: Output; stream: Readable }>;
  /**
   * `run.json events.jsonl outputs/<name> custody.json manifest.json attestation.json` as one streamed zip.
   * `run_not_started` before it starts.
   */
  archive(workspaceId: string, runId: string): Promise<{ filename: string; stream: Readable }>;
}

export { type CorridorOptions, type OpenCorridor, openCorridor } from "./corridor.ts";
