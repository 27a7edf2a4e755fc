import { limits } from "../base/limits.ts";
import { BlobsBroken } from "../content/content.ts";
import type { NewEvent } from "../contract/event.ts";
import type { CleanupStatus } from "../contract/run.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { Store } from "../store/store.ts";
import { captureAtEnd } from "./capture.ts";
import type { Drive } from "./drive.ts";
import { type End, nextStep } from "./next-step.ts";
import { closeSdk } from "./sdk-door.ts";
import type { RunState } from "./state.ts";

/**
 * Ends a run: outputs first, then its directories, then the last event. Each step is found done or repeated after a
 * crash: `run.finishing` fixes how the run ended, the capture is made again as long as the directories are there, and
 * removing what is gone is no error.
 */
export async function finish(drive: Drive, end: End): Promise<void> {
  const { ledger } = drive;
  if (!ledger.state.finishing) {
    const finishing = { type: "run.finishing", data: end } as const;
    // What was said to the model while it said its last word gives it another turn.
    const goesOn = (state: RunState) =>
      nextStep(state, drive.limits, drive.elapsedMs(), drive.budget?.over()).type !== "finish";
    if (!(await ledger.appendUnless(goesOn, finishing))) return;
  }
  await ledger.flush();
  // What was sent is written down before the last event, after which nothing is.
  await drive.proxy?.close();
  await closeSdk(drive.sdk);
  // By its rows: a task whose call was never written down is one of them all the same.
  if (ledger.state.snapshot.agent !== undefined) await drive.endTasks();
  const captured = ledger.state.captured;
  if (captured === undefined || captured.partial) {
    const event = await captureAtEnd(drive).catch((error: unknown) => uncaptured(drive, error));
    if (event) await ledger.append(event);
  }
  const cleanup_status = await cleanUp({ ...drive, snapshot: ledger.state.snapshot });
  const custody = await drive.custody(cleanup_status !== "failed_retryable");
  const data = { ...end, cleanup_status, custody };
  const finished: NewEvent = { type: "run.finished", data };
  await ledger.append(finished);
  drive.log.info({ run: drive.runId, ...end, cleanup_status }, "run.finished");
}

/**
 * A capture that fails must not keep the run from ending: the last snapshot stays, and what is missing is named. When
 * the gateway stops it is another matter: the capture is made again at the next start.
 */
function uncaptured(drive: Drive, error: unknown): NewEvent {
  if (drive.stopping.aborted || error instanceof BlobsBroken) throw error;
  drive.log.error({ run: drive.runId, err: error }, "run.capture_failed");
  const { snapshot, captured } = drive.ledger.state;
  return {
    type: "outputs.captured",
    data: {
      partial: false,
      outputs: captured?.outputs ?? [],
      missing: (snapshot.outputDirs ?? []).map((path) => ({ path, reason: "unreadable" })),
    },
  };
}

/**
 * Removes the run's directories, so that its uid goes back with its last event; or, when its submission says so and the
 * workspace has room for it, all but what the run made itself. What cannot be removed now is left to a later sweep.
 */
export async function cleanUp(
  drive: Pick<Drive, "runId" | "workspaceId" | "uid" | "sandbox" | "log"> & {
    snapshot: Pick<RunSnapshot, "cleanup">;
    store: { runs: Pick<Store["runs"], "retained"> };
  },
): Promise<CleanupStatus> {
  const { runId, workspaceId, uid, sandbox, log, store } = drive;
  try {
    if (drive.snapshot.cleanup?.session === "retain") {
      const { length } = await store.runs.retained(workspaceId);
      if (length < limits.retainedRuns) {
        return (await sandbox.retain(runId)) ? "skipped" : "failed_retryable";
      }
      log.warn({ run: runId, retained: length }, "run.not_retained");
    }
    if (!(await sandbox.remove(runId, uid))) return "failed_retryable";
    return "succeeded";
  } catch (error) {
    log.error({ run: runId, err: error }, "run.cleanup_failed");
    return "failed_retryable";
  }
}
