import { openAnalysis } from "../analysis/analysis.ts";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { Blobs } from "../content/content.ts";
import type { ExplainRequest, Explanation } from "../contract/explanation.ts";
import { packageHosts, type Vault } from "../egress/egress.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Models } from "../model/model.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Store } from "../store/store.ts";
import { openBuildCache } from "../tools/tools.ts";
import { openDriver } from "./driver.ts";
import { openEndEarly } from "./end-early.ts";
import { explainCall } from "./explain-call.ts";
import { openLive } from "./live.ts";
import { readOperatorGrant } from "./operator-grant.ts";
import { notThere, openReads } from "./reads.ts";
import type { Corridor } from "./run.ts";
import { submit } from "./submit.ts";
import { submitProgram } from "./submit-program.ts";
import { openWorker } from "./worker.ts";

export interface CorridorOptions {
  store: Store;
  blobs: Blobs;
  vault: Vault;
  models: Models;
  sandbox: Sandbox;
  layers: LayerTrees;
  config: Pick<
    Config,
    | "runsMax"
    | "runsPerWorkspaceMax"
    | "runLimits"
    | "uidRange"
    | "privateHosts"
    | "upstreamProxy"
    | "packageEnvironment"
    | "grantFile"
  >;
  clock: Clock;
  log: Log;
  /** For what is too long to be searched for secrets on the main thread. */
  threads: Threads;
  /** A person has just been asked something. */
  onAsked: (requestId: string) => void;
}

/** The corridor with its worker. */
export interface OpenCorridor extends Corridor {
  /** What the policy would say to a call, and why; nothing is done. See `explainCall`. */
  explain(request: ExplainRequest): Promise<Explanation>;
  /** Lets runs go on whose calls were answered. */
  resume(runs: readonly { runId: string; workspaceId: string }[]): void;
  /** An approval was taken back: what runs by it loses its network. */
  revoked(approvalId: string): void;
  /** Takes over the runs that an earlier gateway left unfinished. */
  start(): Promise<void>;
  close(drainMs: number): Promise<void>;
}

/** Opens the corridor over rooms that are open already. */
export function openCorridor(options: CorridorOptions): OpenCorridor {
  const { store, blobs, vault, models, config, clock, log } = options;
  const { journal, runs } = store;
  const live = openLive();
  const analysis = openAnalysis();
  const operatorGrant = readOperatorGrant(config.grantFile);
  const ofHost = {
    analysis,
    operatorGrant,
    packageHosts: packageHosts({ env: config.packageEnvironment }),
  };
  const reads = openReads({ store, blobs, live });
  const worker = openWorker({
    store,
    runsMax: config.runsMax,
    runsPerWorkspaceMax: config.runsPerWorkspaceMax,
    drive: openDriver({ ...options, ...ofHost, live, builds: openBuildCache(store.builds, clock) }),
    clock,
    log,
  });
  const notFound = (workspaceId: string, runId: string) => notThere(store, workspaceId, runId);
  const endEarly = openEndEarly({ journal, worker, notFound });
  const treeOf = async (workspaceId: string, runId: string) => {
    const tree = await runs.tree(workspaceId, runId);
    if (tree === undefined) throw await notFound(workspaceId, runId);
    return { root: tree.rootRunId, others: tree.open.filter((id) => id !== runId) };
  };

  return {
    upload: (source, maxBytes) => blobs.putStream(source, maxBytes),
    async submit(request) {
      const deps = { journal, blobs, vault, models, runLimits: config.runLimits };
      const answer = await submit(deps, request);
      if (answer.created) worker.enqueue(answer.run.id, answer.run.workspaceId);
      return answer;
    },
    async execArtifact(request) {
      const deps = { journal, artifacts: store.artifacts, runLimits: config.runLimits };
      const answer = await submitProgram(deps, request);
      if (answer.created) worker.enqueue(answer.run.id, answer.run.workspaceId);
      return answer;
    },
    ...reads,
    cancel: (workspaceId, runId, requestedBy) =>
      endEarly(workspaceId, runId, {
        type: "run.cancel_requested",
        data: { requested_by: requestedBy },
      }),
    async stop(workspaceId, runId, { requestedBy, reason }) {
      const { root, others } = await treeOf(workspaceId, runId);
      const data = { root_run_id: root, requested_by: requestedBy, reason };
      const stop = (id: string) => endEarly(workspaceId, id, { type: "run.stopped", data });
      const [stopped] = await Promise.all([stop(runId), ...others.map(stop)]);
      return stopped;
    },
    explain: (request) => explainCall(request, ofHost),
    resume: (waited) => {
      for (const { runId, workspaceId } of waited) worker.enqueue(runId, workspaceId);
    },
    revoked: worker.revoked,
    start: () => worker.start(),
    close: (drainMs) => worker.close(drainMs),
  };
}
