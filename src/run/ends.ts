import type { Run } from "../contract/run.ts";
import type { Store } from "../store/store.ts";
import { openEndEarly } from "./end-early.ts";
import { openEndTasks } from "./end-tasks.ts";
import { notThere } from "./reads.ts";
import type { Worker } from "./worker.ts";

/** Every way in which a run ends before its time. */
export interface Ends {
  cancel(workspaceId: string, runId: string, requestedBy: string): Promise<Run>;
  /** The run and all of its tree, at once. */
  stop(
    workspaceId: string,
    runId: string,
    order: { requestedBy: string; reason: string },
  ): Promise<Run>;
  /** What a run has started and left at work. */
  endTasks(workspaceId: string, runId: string): Promise<void>;
}

export function openEnds(store: Store, worker: Worker): Ends {
  const { journal, runs } = store;
  const notFound = (workspaceId: string, runId: string) => notThere(store, workspaceId, runId);
  const endEarly = openEndEarly({ journal, worker, notFound });
  const treeOf = openTreeOf(store);
  return {
    cancel: (workspaceId, runId, requested_by) =>
      endEarly(workspaceId, runId, { type: "run.cancel_requested", data: { requested_by } }),
    async stop(workspaceId, runId, { requestedBy, reason }) {
      const { root, others } = await treeOf(workspaceId, runId);
      const data = { root_run_id: root, requested_by: requestedBy, reason };
      const stop = (id: string) => endEarly(workspaceId, id, { type: "run.stopped", data });
      const [stopped] = await Promise.all([stop(runId), ...others.map(stop)]);
      return stopped;
    },
    endTasks: openEndTasks(runs, endEarly),
  };
}

/** The tree of a run: its root, and what else of it has not ended. Throws when it is not there. */
export function openTreeOf(store: Store) {
  return async (workspaceId: string, runId: string) => {
    const tree = await store.runs.tree(workspaceId, runId);
    if (tree === undefined) throw await notThere(store, workspaceId, runId);
    return { root: tree.rootRunId, others: tree.open.filter((id) => id !== runId) };
  };
}
