import type { AgentLibrary } from "../agents/agents.ts";
import { openAnalysis } from "../analysis/analysis.ts";
import type { Attestor } from "../attest/attest.ts";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { Bundles, BundleTrees } from "../bundles/bundles.ts";
import type { Blobs } from "../content/content.ts";
import type { ExplainRequest, Explanation } from "../contract/explanation.ts";
import type { ProxyCall } from "../contract/proxy-call.ts";
import type { Run } from "../contract/run.ts";
import { packageHosts, type Vault } from "../egress/egress.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Models } from "../model/model.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Store } from "../store/store.ts";
import { openBuildCache } from "../tools/tools.ts";
import { openBudgetLine } from "./budget-line.ts";
import { openDriver } from "./driver.ts";
import { openEnds, openTreeOf } from "./ends.ts";
import { explainCall } from "./explain-call.ts";
import { fork } from "./fork.ts";
import { openHide } from "./hide-for-run.ts";
import { openLive } from "./live.ts";
import type { WorkspaceVault } from "./opened-secrets.ts";
import { readOperatorGrant } from "./operator-grant.ts";
import {
  openProxyDoor,
  type ProxyDoor,
  type ProxyDoorAnswer,
  type ProxyDoorRequest,
} from "./proxy-door.ts";
import { openReads } from "./reads.ts";
import type { Corridor } from "./run.ts";
import { submit } from "./submit.ts";
import { submitProgram } from "./submit-program.ts";
import type { QueuedRun } from "./tree-queue.ts";
import { openWaitWatch } from "./watch-waits.ts";
import { openWorker, type Worker } from "./worker.ts";

export interface CorridorOptions {
  store: Store;
  blobs: Blobs;
  bundles: Bundles;
  bundleTrees: BundleTrees;
  vault: Vault;
  attestor: Attestor;
  models: Models;
  agents: AgentLibrary;
  sandbox: Sandbox;
  layers: LayerTrees;
  config: Pick<
    Config,
    | "runsMax"
    | "runsPerWorkspaceMax"
    | "runLimits"
    | "budget"
    | "uidRange"
    | "privateHosts"
    | "upstreamProxy"
    | "packageEnvironment"
    | "grantFile"
    | "leadAgent"
    | "escalationModel"
  >;
  clock: Clock;
  log: Log;
  /** For what is too long to be searched for secrets on the main thread. */
  threads: Threads;
  /** A person has just been asked something. */
  onAsked: (requestId: string) => void;
  /** The secrets of workspaces. */
  workspace: WorkspaceVault;
  /** Values that were opened to be spent or hidden: nothing that is logged may hold one. */
  onOpened: (values: readonly string[]) => () => void;
  /** What this machine trusts besides what Node brings, as PEM. */
  authorities: readonly string[];
}

/** The corridor with its worker. */
export interface OpenCorridor extends Corridor {
  /** What the policy would say to a call, and why; nothing is done. See `explainCall`. */
  explain(request: ExplainRequest): Promise<Explanation>;
  /** Lets runs go on whose calls were answered. */
  resume(runs: readonly QueuedRun[]): void;
  /** Cuts out of what somebody says to a run what its journal must not hold. Throws `not_found`. */
  hide(workspaceId: string, runId: string, text: string): Promise<string>;
  /** Lets these runs go on, as far as what they wait for is there. */
  settle(runIds: readonly string[]): Promise<void>;
  /** The calls of a run's endpoints: those that were, and one from outside of its sandbox. */
  proxy: {
    calls(
      workspaceId: string,
      runId: string,
      page: { after: string | null; most: number },
    ): Promise<{ rows: ProxyCall[]; more: boolean }>;
    call(request: ProxyDoorRequest): Promise<ProxyDoorAnswer>;
  };
  /** A secret of the workspace was set, rotated or deleted. */
  secretsChanged(workspaceId: string): Promise<void>;
  /** An approval was taken back: what runs by it loses its network. */
  revoked(approvalId: string): void;
  /** Takes over the runs that an earlier gateway left unfinished. */
  start(): Promise<void>;
  close(drainMs: number): Promise<void>;
}

/** Opens the corridor over rooms that are open already. */
export function openCorridor(options: CorridorOptions): OpenCorridor {
  const { store, blobs, bundles, vault, attestor, models, agents, workspace } = options;
  const { config, clock, log } = options;
  const { journal } = store;
  const live = openLive();
  const analysis = openAnalysis();
  const operatorGrant = readOperatorGrant(config.grantFile);
  const ofHost = {
    analysis,
    operatorGrant,
    packageHosts: packageHosts({ env: config.packageEnvironment }),
  };
  const proxyDoor = openProxyDoor();
  const budgetLine = openBudgetLine(clock);
  const reads = openReads({ store, blobs, attestor, live, sandbox: options.sandbox });
  const watch = openWaitWatch({
    ...{ waits: store.waits, clock, log },
    onResumed: (run) => worker.enqueue(run),
  });
  const worker: Worker = openWorker({
    store,
    runsMax: config.runsMax,
    runsPerWorkspaceMax: config.runsPerWorkspaceMax,
    drive: openDriver({
      ...{ ...options, ...ofHost, live, proxyDoor, budgetLine, onParted: watch.look },
      onSubmitted: (run) => worker.enqueue(run),
      endTasks: (workspaceId, runId) => ends.endTasks(workspaceId, runId),
      cancelTask: (workspaceId, runId, by) => ends.cancel(workspaceId, runId, by),
      builds: openBuildCache(store.builds, clock),
    }),
    clock,
    log,
  });
  const ends = openEnds(store, worker);

  /** A run that was made has to be driven. */
  const begun = async (made: ReturnType<typeof submit>) => {
    const { created, run } = await made;
    if (created) worker.enqueue(queued(run));
    return { created, run };
  };

  return {
    upload: (source, maxBytes) => blobs.putStream(source, maxBytes),
    submit(request) {
      const { runLimits, budget, privateHosts, leadAgent } = config;
      const ofGateway = { runLimits, budget, privateHosts, leadAgent };
      const { retained } = store.runs;
      const rooms = { journal, blobs, bundles, vault, models, workspace, agents };
      const deps = { ...rooms, retained, ...ofGateway };
      return begun(submit(deps, request));
    },
    fork(request) {
      const { runLimits, budget } = config;
      const deps = { store, blobs, bundles, vault, models, workspace, runLimits, budget };
      return begun(fork(deps, request));
    },
    execArtifact(request) {
      const { runLimits, budget } = config;
      const deps = { journal, vault, artifacts: store.artifacts, runLimits, budget };
      return begun(submitProgram(deps, request));
    },
    ...reads,
    cancel: ends.cancel,
    stop: ends.stop,
    explain: (request) => explainCall(request, ofHost),
    resume: (waited) => {
      for (const run of waited) worker.enqueue(run);
    },
    hide: openHide(options),
    settle: watch.look,
    proxy: openProxyOfRuns(store, proxyDoor, openTreeOf(store)),
    secretsChanged: proxyDoor.secretsChanged,
    revoked: worker.revoked,
    async start() {
      await watch.start();
      await worker.start();
    },
    async close(drainMs) {
      await worker.close(drainMs);
      await watch.close();
    },
  };
}

const queued = ({ id: runId, workspaceId, rootRunId }: Run): QueuedRun => ({
  ...{ runId, workspaceId, rootRunId },
});

function openProxyOfRuns(
  store: Store,
  proxyDoor: ProxyDoor,
  treeOf: ReturnType<typeof openTreeOf>,
): OpenCorridor["proxy"] {
  return {
    async calls(workspaceId, runId, page) {
      await treeOf(workspaceId, runId);
      return store.proxy.list(workspaceId, runId, page);
    },
    async call(request) {
      if (request.workspaceId !== null) await treeOf(request.workspaceId, request.runId);
      return proxyDoor.call(request);
    },
  };
}
