/**
 * The client. It needs `fetch` and nothing else, so it runs in Node, in a browser and in workers;
 * only reading an input from a path and `download({ to })` need Node. It reads no environment
 * variable: every input is an argument.
 */
import type { AttestationKey } from "../contract/attestation.ts";
import type { LiveEvent, RunEvent } from "../contract/event.ts";
import type { ExplainRequest, Explanation } from "../contract/explanation.ts";
import type { Output } from "../contract/output.ts";
import type { ProxyCall, ProxyEnvelope } from "../contract/proxy-call.ts";
import type { Run, RunStatus } from "../contract/run.ts";
import type { RunTree } from "../contract/run-tree.ts";
import type { Whoami } from "../contract/token.ts";
import type { DoctorReport, GcReport, VerifyReport } from "../contract/upkeep.ts";
import { type AgentCalls, openAgentCalls } from "./agents.ts";
import { type ApprovalCalls, openApprovalCalls } from "./approvals.ts";
import { type ArtifactCalls, openArtifactCalls } from "./artifacts.ts";
import {
  type AgentsMdCalls,
  bundlePlaces,
  type FileCalls,
  openBundleCalls,
  type SkillCalls,
} from "./bundle-calls.ts";
import { asyncDispose } from "./dispose.ts";
import { type DownloadOptions, downloadBytes } from "./download.ts";
import { ApiError } from "./errors.ts";
import type { SavedFile } from "./files.ts";
import { type ForkOptions, forkRequest } from "./fork.ts";
import { type InteractionCalls, openInteractionCalls } from "./interactions.ts";
import { type LayerCalls, openLayerCalls } from "./layers.ts";
import { type ClientOptions, checkOptions } from "./options.ts";
import { callProxy, listProxyCalls, type ProxyCallPage, type ProxyRequest } from "./proxy-calls.ts";
import { RunRef } from "./run-ref.ts";
import { openSecretCalls, type SecretCalls } from "./secrets.ts";
import { type OutputSelector, selectOutput } from "./selector.ts";
import { type StreamOptions, streamEvents } from "./stream.ts";
import { type SubmitOptions, submitRequest } from "./submit.ts";
import { openTokenCalls, type TokenCalls } from "./tokens.ts";
import {
  type ApiRequest,
  openTransport,
  type PageOptions,
  pages,
  type Signal,
  type Transport,
} from "./transport.ts";
import { type WaitOptions, waitForEnd } from "./wait.ts";

export * from "./exports.ts";

/** What a stream yields: live events only when they were asked for. */
export type EventStream<Options extends StreamOptions> = AsyncGenerator<
  Options extends { live: true } ? RunEvent | LiveEvent : RunEvent
>;

/**
 * A client of one gateway, for one token. Methods take ids; `run(id)` and `submitRun` give a
 * `RunRef` with the same methods. An aborted `signal` rejects with its reason, except in `stream`,
 * where it ends the loop.
 *
 * ```ts
 * const airlock = new AirlockClient({ token });
 * const run = await airlock.submitRun({
 *   model: "claude-sonnet-4-5",
 *   prompt: "Write a haiku to /workspace/out/haiku.txt",
 *   outputDirs: ["/workspace/out"],
 * });
 * const { status } = await run.wait();
 * await run.download({ to: "haiku.zip" });
 * ```
 */
export class AirlockClient {
  readonly #transport: Transport;

  /** Questions that agents asked people: listed, answered and taken back. */
  readonly approvals: ApprovalCalls;

  /** Agents of the workspace: installed, listed, exported and deleted. */
  readonly agents: AgentCalls;
  /** What agents ask people: listed and answered. */
  readonly interactions: InteractionCalls;

  /** Layers of the workspace: listed, verified, exported and imported. */
  readonly layers: LayerCalls;

  /** Artifacts of the workspace: made, started, proved and exported. */
  readonly artifacts: ArtifactCalls;

  /** Skills, instructions and files of the workspace: uploaded once, given to any number of runs. */
  readonly skills: SkillCalls;
  readonly agentsMd: AgentsMdCalls;
  readonly files: FileCalls;

  /** Secrets of the workspace: set, listed and deleted; never read. */
  readonly secrets: SecretCalls;

  /** Throws at once, naming the option, when one cannot be used. */
  constructor(options: ClientOptions) {
    this.#transport = openTransport(checkOptions(options));
    this.approvals = openApprovalCalls(this.#transport);
    this.agents = openAgentCalls(this.#transport);
    this.interactions = openInteractionCalls(this.#transport);
    this.layers = openLayerCalls(this.#transport);
    this.skills = openBundleCalls(this.#transport, bundlePlaces.skills);
    this.agentsMd = openBundleCalls(this.#transport, bundlePlaces.agentsMd);
    this.files = openBundleCalls(this.#transport, bundlePlaces.files);
    this.secrets = openSecretCalls(this.#transport);
    this.tokens = openTokenCalls(this.#transport);
    this.artifacts = openArtifactCalls(this.#transport, (runId) => this.run(runId));
  }

  /**
   * Submits a run and resolves once it is durable. What is wrong with the submission itself is
   * found before anything is sent. The same `idempotencyKey` with the same submission gives the
   * same run.
   */
  async submitRun(options: SubmitOptions): Promise<RunRef> {
    const { run } = await this.#json<{ run: Run }>(await submitRequest(options));
    return new RunRef(this, run.id);
  }

  /** A new run that remembers another one up to a turn, by default the newest. Secrets are given again. */
  async fork(runId: string, options: ForkOptions = {}): Promise<RunRef> {
    const { run } = await this.#json<{ run: Run }>(forkRequest(`${at(runId)}/fork`, options));
    return new RunRef(this, run.id);
  }

  /** A handle on a run by its id; asks nothing. */
  run(runId: string): RunRef {
    return new RunRef(this, runId);
  }

  async getRun(runId: string, options: Signal = {}): Promise<Run> {
    return (await this.#json<{ run: Run }>({ method: "GET", path: at(runId), ...options })).run;
  }

  /** The tree to which a run belongs: its first run, with those that each started. */
  tree(runId: string, options: Signal = {}): Promise<RunTree> {
    return this.#json({ method: "GET", path: `${at(runId)}/tree`, ...options });
  }

  /**
   * One page of runs, newest first; `nextCursor` is there when there are more. At most 1,000 a
   * page.
   */
  async listRuns(
    options: { status?: RunStatus | RunStatus[]; limit?: number; cursor?: string } & Signal = {},
  ): Promise<{ runs: Run[]; nextCursor?: string }> {
    const { status, limit, cursor, signal } = options;
    const query = { status: status && [status].flat().join(","), limit, cursor };
    return await this.#json({ method: "GET", path: "/api/runs", query, signal });
  }

  /** All runs, newest first, fetched page by page as the loop goes on. */
  async *runs(options: { status?: RunStatus | RunStatus[] } & Signal = {}): AsyncGenerator<Run> {
    let cursor: string | undefined;
    do {
      const page = await this.listRuns({ ...options, ...(cursor ? { cursor } : {}) });
      yield* page.runs;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  /** Asks a run to end, durably. A run that has already ended is returned as it is. */
  async cancelRun(runId: string, options: Signal = {}): Promise<Run> {
    const path = `${at(runId)}/cancel`;
    const request = { method: "POST", path, repeatable: true, ...options } as const;
    return (await this.#json<{ run: Run }>(request)).run;
  }

  /**
   * The emergency stop: the run and all that it started end at once, their network is cut and their
   * approvals are cancelled. The reason is written into the journal. Again, nothing changes.
   */
  async stopRun(runId: string, options: { reason: string } & Signal): Promise<Run> {
    const { reason, signal } = options;
    const path = `${at(runId)}/stop`;
    const request = { method: "POST", path, json: { reason }, repeatable: true, signal } as const;
    return (await this.#json<{ run: Run }>(request)).run;
  }

  /** Deletes a run that has ended, with all it left. Deleting it again changes nothing. */
  async deleteRun(runId: string, options: Signal = {}): Promise<void> {
    try {
      await this.#json({ method: "DELETE", path: at(runId), ...options });
    } catch (error) {
      if (!(error instanceof ApiError && error.code === "run_deleted")) throw error;
    }
  }

  /** The durable events there are now, after `since`, fetched page by page as the loop goes on. */
  async *events(
    runId: string,
    options: { since?: number } & Signal = {},
  ): AsyncGenerator<RunEvent> {
    let since = options.since ?? 0;
    while (true) {
      const page = await this.#json<{ events: RunEvent[]; nextCursor?: unknown }>({
        method: "GET",
        path: `${at(runId)}/events`,
        query: { since },
        signal: options.signal,
      });
      yield* page.events;
      const last = page.events.at(-1);
      if (page.nextCursor === undefined || page.nextCursor === null || !last) return;
      since = last.seq;
    }
  }

  /**
   * The events of a run as they happen, until it has finished: first what happened after `since`,
   * then what happens. Durable events come exactly once and in order, whatever happens to the
   * connection or the gateway.
   */
  stream<Options extends StreamOptions = StreamOptions>(
    runId: string,
    options?: Options,
  ): EventStream<Options> {
    return streamEvents(this.#doors(runId), options ?? {}) as EventStream<Options>;
  }

  /** Resolves with the run once it has ended, however it ended. See `WaitOptions` for deadlines. */
  wait(runId: string, options: WaitOptions = {}): Promise<Run> {
    return waitForEnd(this.#doors(runId), options);
  }

  /** The files that were captured so far. */
  async outputs(runId: string, options: Signal = {}): Promise<Output[]> {
    const path = `${at(runId)}/outputs`;
    return (await this.#json<{ outputs: Output[] }>({ method: "GET", path, ...options })).outputs;
  }

  /** One output: its bytes, or, with `to`, a file. */
  downloadOutput(
    runId: string,
    selector: OutputSelector,
    options: DownloadOptions & { to: string },
  ): Promise<SavedFile>;
  downloadOutput(
    runId: string,
    selector: OutputSelector,
    options?: DownloadOptions,
  ): Promise<Uint8Array>;
  downloadOutput(
    runId: string,
    selector: OutputSelector,
    options?: DownloadOptions,
  ): Promise<SavedFile | Uint8Array>;
  async downloadOutput(
    runId: string,
    selector: OutputSelector,
    options: DownloadOptions = {},
  ): Promise<SavedFile | Uint8Array> {
    const { signal } = options;
    const id =
      "id" in selector
        ? selector.id
        : selectOutput(await this.outputs(runId, { signal }), selector).id;
    const path = `${at(runId)}/outputs/${encodeURIComponent(id)}`;
    return await downloadBytes(this.#transport, { path }, options);
  }

  /**
   * Everything of a run as one zip: its record, its events, its outputs, a manifest that says what
   * is missing, and the gateway's signature under all of that.
   */
  download(runId: string, options: DownloadOptions & { to: string }): Promise<SavedFile>;
  download(runId: string, options?: DownloadOptions): Promise<Uint8Array>;
  download(runId: string, options?: DownloadOptions): Promise<SavedFile | Uint8Array>;
  async download(runId: string, options: DownloadOptions = {}): Promise<SavedFile | Uint8Array> {
    return await downloadBytes(this.#transport, { path: `${at(runId)}/archive` }, options);
  }

  /** One page of the calls of a run's proxy endpoints. At most 1,000 a page. */
  listProxyCalls(runId: string, options: PageOptions = {}): Promise<ProxyCallPage> {
    return listProxyCalls(this.#transport, runId, options);
  }

  /** All calls of a run's proxy endpoints, fetched page by page as the loop goes on. */
  proxyCalls(runId: string, options: Signal = {}): AsyncGenerator<ProxyCall> {
    const list = (page: PageOptions) => this.listProxyCalls(runId, page);
    return pages(options, list, ({ proxyCalls }) => proxyCalls);
  }

  /**
   * Calls a proxy endpoint of a run from outside of its sandbox: under the same policy, from the same budget, and recorded
   * like any other. What the upstream answers is in the envelope, a 404 too. Throws a `ProxyProblem`.
   */
  proxy(runId: string, endpoint: string, request: ProxyRequest = {}): Promise<ProxyEnvelope> {
    return callProxy(this.#transport, runId, endpoint, request);
  }

  /** What the policy would say of calls. */
  readonly policy = {
    /** The decision on a call that nobody makes, with all its reasons. Nothing runs. */
    explain: (question: ExplainRequest, { signal }: Signal = {}): Promise<Explanation> => {
      const path = "/api/policy/explain";
      return this.#json({ method: "POST", path, json: question, repeatable: true, signal });
    },
  };

  /**
   * Ends what this client has under way, its streams without an error, and refuses what comes later. Runs go on: they are the
   * gateway's.
   */
  close(): void {
    this.#transport.close();
  }

  /** Leaving the block of an `await using` closes the client. */
  async [asyncDispose](): Promise<void> {
    this.close();
  }

  /** What this token is, what it opens, and what the gateway allows its workspace. */
  whoami(options: Signal = {}): Promise<Whoami> {
    return this.#json({ method: "GET", path: "/api/whoami", ...options });
  }

  /** The public key with which archives of this gateway are verified. */
  async attestationKey(options: Signal = {}): Promise<AttestationKey> {
    const path = "/api/attestation-key";
    return (await this.#json<{ key: AttestationKey }>({ method: "GET", path, ...options })).key;
  }

  /** API tokens; they need the scope `admin`. The secret of a new one is shown this once. */
  readonly tokens: TokenCalls;

  /** Checks every chain, row and blob of the gateway. Takes as long as reading all of them. */
  async verify(options: Signal = {}): Promise<VerifyReport> {
    return await this.#report("POST", "/api/verify", {}, options);
  }

  /** Removes what nothing refers to any more; with `dryRun`, only says what would go. */
  async gc(options: { dryRun?: boolean } & Signal = {}): Promise<GcReport> {
    const { dryRun = false, signal } = options;
    return await this.#report("POST", "/api/gc", { dryRun }, { signal });
  }

  /** What the gateway's host can give a sandbox, and what to do about what it cannot. */
  async doctor(options: Signal = {}): Promise<DoctorReport> {
    return await this.#report("GET", "/api/doctor", undefined, options);
  }

  /**
   * Whether the gateway is alive, and whether it takes work. Throws when nothing answers at all.
   */
  async health(options: Signal = {}): Promise<{ live: boolean; ready: boolean }> {
    const live = (await this.#transport.status("/healthz", options.signal)) === 200;
    return { live, ready: (await this.#transport.status("/readyz", options.signal)) === 200 };
  }

  async #report<T>(method: "GET" | "POST", path: string, json: unknown, { signal }: Signal) {
    const request = { method, path, json, patient: true, repeatable: true, signal };
    return (await this.#json<{ report: T }>(request)).report;
  }

  /**
   * Strict on what is sent, loose on what comes back: an older client lets a newer gateway's
   * members pass.
   */
  async #json<T>(request: ApiRequest): Promise<T> {
    return (await this.#transport.json(request)) as T;
  }

  #doors(runId: string) {
    return {
      transport: this.#transport,
      runId,
      getRun: (signal: AbortSignal | undefined) => this.getRun(runId, { signal }),
    };
  }
}

function at(runId: string): string {
  return `/api/runs/${encodeURIComponent(runId)}`;
}
