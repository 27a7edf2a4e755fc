import type { RunStatus } from "../contract/run.ts";
import type { TaskStatus } from "../contract/workflow.ts";

/** Where a run stands as a task. `onWhat`: of its row among the waits; a run that waits without one asks for an approval. */
export function taskStatusOf(status: RunStatus, onWhat: string | null): TaskStatus {
  switch (status) {
    case "pending":
    case "queued":
      return "queued";
    case "waiting":
      if (onWhat === "children") return "waiting_children";
      return onWhat === "input" ? "awaiting_input" : "awaiting_approval";
    case "provisioning":
    case "running":
    case "cleaning_up":
      return "running";
    default:
      return status;
  }
}
