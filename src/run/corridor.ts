import type { Clock } from "../base/clock.ts";
import type { Config } from "../base/config.ts";
import { limits } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { Threads } from "../base/threads.ts";
import type { Blobs } from "../content/content.ts";
import { Problem } from "../contract/problem.ts";
import { isEnd, type Run } from "../contract/run.ts";
import type { Vault } from "../egress/egress.ts";
import type { LayerTrees } from "../layers/layers.ts";
import type { Models } from "../model/model.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Store } from "../store/store.ts";
import { openBuildCache } from "../tools/tools.ts";
import { openRunArchive } from "./archive.ts";
import { openDriver } from "./driver.ts";
import { follow } from "./follow.ts";
import { openLive } from "./live.ts";
import type { Corridor } from "./run.ts";
import { shareReads } from "./share-reads.ts";
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
  >;
  clock: Clock;
  log: Log;
  /** For what is too long to be searched for secrets on the main thread. */
  threads: Threads;
}

/** The corridor with its worker. */
export interface OpenCorridor extends Corridor {
  /** Takes over the runs that an earlier gateway left unfinished. */
  start(): Promise<void>;
  close(drainMs: number): Promise<void>;
}

/** Opens the corridor over rooms that are open already. */
export function openCorridor(options: CorridorOptions): OpenCorridor {
  const { store, blobs, vault, models, config, clock, log } = options;
  const { journal, runs, files } = store;
  const live = openLive();
  const followed = { onAppend: journal.onAppend, read: shareReads(journal) };
  const worker = openWorker({
    store,
    runsMax: config.runsMax,
    runsPerWorkspaceMax: config.runsPerWorkspaceMax,
    drive: openDriver({ ...options, live, builds: openBuildCache(store.builds, clock) }),
    clock,
    log,
  });
  const find = (workspaceId: string, runId: string) => findRun(store, workspaceId, runId);

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
    get: find,
    list: (workspaceId, filter) => runs.list(workspaceId, filter),
    async cancel(workspaceId, runId, requestedBy) {
      // Asked for again and again, it is written down once: nothing may grow without a limit (I9).
      const asked = (await journal.latest(runId, "run.cancel_requested")) !== undefined;
      const cancelled = await journal.appendFromOutside(workspaceId, runId, (run) =>
        asked || isEnd(run.status) || run.status === "cleaning_up"
          ? null
          : { type: "run.cancel_requested", data: { requested_by: requestedBy } },
      );
      if (!cancelled) throw await notThere(store, workspaceId, runId);
      if (cancelled.event) worker.cancelled(runId, workspaceId);
      return cancelled.run;
    },
    async stop(workspaceId, runId, order) {
      const stopped = await appendStop(store, workspaceId, runId, order);
      if (stopped.event) worker.cancelled(runId, workspaceId);
      return stopped.run;
    },
    async delete(workspaceId, runId) {
      const outcome = await runs.delete(workspaceId, runId);
      if (outcome === "not_found") throw await notThere(store, workspaceId, runId);
      if (outcome === "not_finished") {
        throw new Problem(
          "run_not_finished",
          `Run ${runId} has not ended; cancel it first, or wait for its end`,
        );
      }
    },
    async events(workspaceId, runId, since, limit) {
      const { lastSeq } = await find(workspaceId, runId);
      const events = await journal.read(runId, since, Math.min(limit, limits.pageRows));
      return { events, more: (events.at(-1)?.seq ?? lastSeq) < lastSeq };
    },
    async follow(workspaceId, runId, since, signal) {
      return follow(followed, live, await find(workspaceId, runId), since, signal);
    },
    async outputs(workspaceId, runId) {
      await find(workspaceId, runId);
      return files.outputs(workspaceId, runId);
    },
    async output(workspaceId, runId, outputId) {
      await find(workspaceId, runId);
      const output = await files.output(workspaceId, runId, outputId);
      if (!output) {
        throw new Problem("not_found", `Run ${runId} has no output ${JSON.stringify(outputId)}`);
      }
      return { output, stream: (await blobs.read(output.sha256)).stream };
    },
    archive: async (workspaceId, runId) =>
      openRunArchive(await find(workspaceId, runId), { journal, files, blobs }),
    start: () => worker.start(),
    close: (drainMs) => worker.close(drainMs),
  };
}

async function findRun(store: Store, workspaceId: string, runId: string): Promise<Run> {
  const run = await store.runs.get(workspaceId, runId);
  if (run) return run;
  throw await notThere(store, workspaceId, runId);
}

async function appendStop(
  store: Store,
  workspaceId: string,
  runId: string,
  { requestedBy, reason }: { requestedBy: string; reason: string },
) {
  const { journal } = store;
  const asked = (await journal.latest(runId, "run.stopped")) !== undefined;
  const data = { root_run_id: runId, requested_by: requestedBy, reason };
  const stopped = await journal.appendFromOutside(workspaceId, runId, (run) =>
    asked || isEnd(run.status) || run.status === "cleaning_up"
      ? null
      : { type: "run.stopped", data },
  );
  if (!stopped) throw await notThere(store, workspaceId, runId);
  return stopped;
}

/** "Not yours" and "not there" look the same (I14); only the workspace that deleted a run is told so. */
async function notThere(store: Store, workspaceId: string, runId: string): Promise<Problem> {
  return (await store.runs.wasDeleted(workspaceId, runId))
    ? new Problem("run_deleted", `Run ${runId} was deleted`)
    : new Problem("not_found", `There is no run ${JSON.stringify(runId)}`);
}
