import type { Attestor } from "../attest/attest.ts";
import { limits } from "../base/limits.ts";
import type { Blobs } from "../content/content.ts";
import { Problem } from "../contract/problem.ts";
import type { Run } from "../contract/run.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Store } from "../store/store.ts";
import { openRunArchive } from "./archive.ts";
import { follow } from "./follow.ts";
import type { Live } from "./live.ts";
import type { Corridor } from "./run.ts";
import { readRunTree } from "./run-tree.ts";
import { shareReads } from "./share-reads.ts";

type Reads = Pick<
  Corridor,
  "get" | "list" | "tree" | "delete" | "events" | "follow" | "outputs" | "output" | "archive"
>;

/** What is asked of runs without driving them: all from the store, whether a worker has the run or not. */
export function openReads({
  store,
  blobs,
  attestor,
  live,
  sandbox,
}: {
  store: Store;
  blobs: Blobs;
  attestor: Attestor;
  live: Live;
  sandbox: Pick<Sandbox, "remove">;
}): Reads {
  const { journal, runs, files } = store;
  const followed = { onAppend: journal.onAppend, read: shareReads(journal) };
  const find = (workspaceId: string, runId: string) => findRun(store, workspaceId, runId);
  return {
    get: find,
    list: (workspaceId, filter) => runs.list(workspaceId, filter),
    tree: (workspaceId, runId) => readRunTree(store, workspaceId, runId),
    async delete(workspaceId, runId) {
      const run = await runs.get(workspaceId, runId);
      const outcome = await runs.delete(workspaceId, runId);
      if (outcome === "not_found") throw await notThere(store, workspaceId, runId);
      if (outcome === "not_finished") {
        throw new Problem(
          "run_not_finished",
          `Run ${runId}, or a run that it started, has not ended; cancel it first, or wait for its end`,
        );
      }
      if (typeof outcome === "object") {
        throw new Problem(
          "invalid_request",
          `Run ${runId} is a task of another run, and is deleted with it; delete ${outcome.rootRunId}`,
        );
      }
      // What does not go now is left to a later sweep, which finds it among what was deleted.
      if (run?.cleanup_status !== "skipped" || !(await sandbox.remove(runId, null))) return;
      await runs.freeUid(runId);
      await runs.markCleaned(runId);
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
      openRunArchive(await find(workspaceId, runId), { journal, blobs, attestor }),
  };
}

async function findRun(store: Store, workspaceId: string, runId: string): Promise<Run> {
  const run = await store.runs.get(workspaceId, runId);
  if (run) return run;
  throw await notThere(store, workspaceId, runId);
}

/** "Not yours" and "not there" look the same (I14); only the workspace that deleted a run is told so. */
export async function notThere(store: Store, workspaceId: string, runId: string): Promise<Problem> {
  return (await store.runs.wasDeleted(workspaceId, runId))
    ? new Problem("run_deleted", `Run ${runId} was deleted`)
    : new Problem("not_found", `There is no run ${JSON.stringify(runId)}`);
}
