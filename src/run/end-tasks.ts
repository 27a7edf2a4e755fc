import { isEnd } from "../contract/run.ts";
import type { Store } from "../store/store.ts";
import type { openEndEarly } from "./end-early.ts";

/**
 * Cancels what a run has started and left at work: nobody waits for it any more, and the grant and the budget of a tree
 * are not for what nobody will see. Each of them does the same to its own.
 */
export function openEndTasks(
  runs: Pick<Store["runs"], "tasks">,
  endEarly: ReturnType<typeof openEndEarly>,
): (workspaceId: string, runId: string) => Promise<void> {
  return async (workspaceId, runId) => {
    const data = { requested_by: runId, reason: "parent_ended" as const };
    for (const task of await runs.tasks(workspaceId, runId)) {
      if (isEnd(task.status)) continue;
      await endEarly(workspaceId, task.runId, { type: "run.cancel_requested", data });
    }
  };
}
