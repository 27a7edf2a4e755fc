import { custodyOf } from "./custody.ts";
import { cleanUp } from "./finish.ts";
import type { Claimed } from "./open-drive.ts";

/**
 * Ends a run that could not be driven, again and again, with nothing of what driving it takes: its tasks, its directories and
 * its secrets go as at any other end, and its outputs are those of the last capture.
 */
export async function endUndriven(
  claimed: Pick<Claimed, "ledger" | "lease" | "sandbox" | "log" | "endTasks" | "store" | "vault">,
): Promise<void> {
  const { ledger, lease, endTasks } = claimed;
  const { id: runId, workspaceId } = lease.run;
  const end = ledger.state.finishing ?? {
    ...({ status: "failed", stop_reason: "internal" } as const),
    message: "The gateway could not go on with it; its log has the details",
  };
  if (!ledger.state.finishing) await ledger.append({ type: "run.finishing", data: end });
  await endTasks(workspaceId, runId);
  const { captured, snapshot } = ledger.state;
  if (captured === undefined || captured.partial) {
    const dirs = snapshot.outputDirs ?? [];
    const missing = dirs.map((path) => ({ path, reason: "unreadable" as const }));
    const data = { partial: false, outputs: captured?.outputs ?? [], missing };
    await ledger.append({ type: "outputs.captured", data });
  }
  const cleanup_status = await cleanUp({
    ...claimed,
    runId,
    workspaceId,
    snapshot,
    uid: lease.uid,
  });
  const custody = await custodyOf(claimed, runId, cleanup_status !== "failed_retryable");
  await ledger.append({ type: "run.finished", data: { ...end, cleanup_status, custody } });
}
