import { BlobsBroken } from "../content/content.ts";
import { Problem } from "../contract/problem.ts";
import type { CorridorOptions } from "./corridor.ts";
import { isDiskFull, openDiskSpace } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import { openLedger } from "./ledger.ts";
import { LetGo } from "./let-go.ts";
import { loop } from "./loop.ts";
import type { End } from "./next-step.ts";
import { type Claimed, openDrive } from "./open-drive.ts";
import type { WorkerOptions } from "./worker.ts";

/**
 * How a worker drives a run: claim it under this gateway's epoch, fold its journal, gather what its loop works with, and
 * loop. A defect of ours ends this run as `internal` and no other.
 */
export function openDriver(
  options: CorridorOptions &
    Pick<Claimed, "live" | "builds" | "analysis" | "packageHosts" | "onAsked" | "operatorGrant">,
): WorkerOptions["drive"] {
  const { store, clock, log } = options;
  const { journal, epoch } = store;
  return async (runId, workspaceId, signals) => {
    const lease = await journal.claim(runId, epoch);
    if (!lease) return;
    const patiently = openDiskSpace({ runId, clock, log, stopping: signals.stopping });
    const ledger = await openLedger({ journal, runId, workspaceId, epoch, patiently });
    const type = ledger.state.started ? "run.resumed" : "run.started";
    await ledger.append({ type, data: { epoch } });
    log.info({ run: runId, epoch, resumed: type === "run.resumed" }, "run.claimed");
    const over = new AbortController();
    try {
      const claimed = { ...options, lease, ledger, patiently, signals, over: over.signal };
      const drive = await openDrive(claimed);
      await guarded(drive, () => loop(drive));
    } finally {
      over.abort();
      // A run that nobody drives holds no process (I12).
      await options.sandbox.discard(runId);
    }
  };
}

/** Runs the loop; what it throws becomes the end of the run, unless the run is only let go. */
async function guarded(drive: Drive, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (error instanceof LetGo || drive.stopping.aborted) throw error;
    // The next gateway, on a sound disk, finds the run as it is: it must not end for what the disk did.
    if (error instanceof BlobsBroken) throw error;
    drive.log.error({ run: drive.runId, err: error }, "run.failed");
    if (!drive.ledger.state.finishing) {
      await drive.ledger.append({ type: "run.finishing", data: endFor(error) });
    }
    await body();
  }
}

/** Problems that are an end of their own; all others are a mistake of ours. */
const endings = ["sandbox_unavailable", "model_credential_missing"] as const;

function endFor(error: unknown): End {
  if (isDiskFull(error)) {
    const message = "The disk of the gateway's data directory is full";
    return { status: "failed", stop_reason: "storage_full", message };
  }
  if (error instanceof Problem) {
    const stop_reason = endings.find((code) => code === error.code);
    if (stop_reason) return { status: "failed", stop_reason, message: error.message };
  }
  return {
    status: "failed",
    stop_reason: "internal",
    message: "The gateway made a mistake; its log has the details",
  };
}
