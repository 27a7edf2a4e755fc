import { BlobsBroken } from "../content/content.ts";
import type { NewEvent } from "../contract/event.ts";
import type { CleanupStatus } from "../contract/run.ts";
import { captureAtEnd } from "./capture.ts";
import type { Drive } from "./drive.ts";
import type { End } from "./next-step.ts";

/**
 * Ends a run: outputs first, then its directories, then the last event. Each step is found done or repeated after a
 * crash: `run.finishing` fixes how the run ended, the capture is made again as long as the directories are there, and
 * removing what is gone is no error.
 */
export async function finish(drive: Drive, end: End): Promise<void> {
  const { ledger } = drive;
  if (!ledger.state.finishing) await ledger.append({ type: "run.finishing", data: end });
  const captured = ledger.state.captured;
  if (captured === undefined || captured.partial) {
    const event = await captureAtEnd(drive).catch((error: unknown) => uncaptured(drive, error));
    if (event) await ledger.append(event);
  }
  const cleanup_status = await cleanUp(drive);
  const finished: NewEvent = { type: "run.finished", data: { ...end, cleanup_status } };
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

/** Removes the run's directories and gives its uid back. What cannot be removed now is left to a later sweep. */
async function cleanUp(drive: Drive): Promise<CleanupStatus> {
  const { runId, uid, sandbox, store, log } = drive;
  try {
    if (!(await sandbox.remove(runId, uid))) return "failed_retryable";
    if (uid !== null) await store.runs.freeUid(runId);
    return "succeeded";
  } catch (error) {
    log.error({ run: runId, err: error }, "run.cleanup_failed");
    return "failed_retryable";
  }
}
