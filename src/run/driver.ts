import { BlobsBroken } from "../content/content.ts";
import { Problem } from "../contract/problem.ts";
import type { CorridorOptions } from "./corridor.ts";
import { isDiskFull, openDiskSpace } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import { endUndriven } from "./end-undriven.ts";
import { openLedger } from "./ledger.ts";
import { LetGo } from "./let-go.ts";
import { loop } from "./loop.ts";
import type { End } from "./next-step.ts";
import { type Claimed, openDrive } from "./open-drive.ts";
import { BundleUnusable } from "./run-bundles.ts";
import { closeSdk } from "./sdk-door.ts";
import type { WorkerOptions } from "./worker.ts";

/**
 * How a worker drives a run: claim it under this gateway's epoch, fold its journal, gather what its loop works with, and
 * loop. A defect of ours ends this run as `internal` and no other.
 */
export function openDriver(
  options: CorridorOptions &
    Pick<
      Claimed,
      | "live"
      | "builds"
      | "analysis"
      | "packageHosts"
      | "onAsked"
      | "operatorGrant"
      | "proxyDoor"
      | "budgetLine"
      | "endTasks"
      | "onSubmitted"
      | "cancelTask"
    > & {
      /** A run is driven no more: it, or the one that started it, may have what it waits for. */
      onParted: (runIds: readonly string[]) => Promise<void>;
    },
): WorkerOptions["drive"] {
  const { store, clock, log } = options;
  const { journal, epoch } = store;
  return async (runId, workspaceId, signals, isLast) => {
    const patiently = openDiskSpace({ runId, clock, log, stopping: signals.stopping });
    const uids = options.sandbox.isolation.ownUid ? options.config.uidRange : null;
    const lease = await patiently(() => journal.claim(runId, epoch, { uids }));
    if (!lease) return;
    const ledger = await openLedger({ journal, runId, workspaceId, epoch, patiently });
    log.info({ run: runId, epoch, resumed: ledger.state.resumed }, "run.claimed");
    const over = new AbortController();
    const claimed = { ...options, lease, ledger, patiently, signals, over: over.signal };
    try {
      await driven(claimed);
    } catch (error) {
      // What the disk did, and what another worker does, is no reason to end a run.
      const isOurs = !(error instanceof LetGo || error instanceof BlobsBroken);
      if (!isLast || !isOurs || signals.stopping.aborted) throw error;
      log.error({ run: runId, err: error }, "run.given_up");
      await endUndriven(claimed);
    } finally {
      over.abort();
      await letGo(claimed);
    }
  };
}

async function driven(claimed: Claimed): Promise<void> {
  const drive = await openDrive(claimed);
  try {
    await guarded(drive, () => loop(drive));
  } finally {
    // Whoever drives the run next settles what is not settled: it must not be settled twice.
    await drive.proxy?.close();
    await closeSdk(drive.sdk);
    await drive.mcp?.close();
  }
}

/** A run that nobody drives holds no process (I12); whoever waits for it, or for what it waits for, may go on. */
async function letGo({
  sandbox,
  ledger,
  store,
  onParted,
}: Pick<Claimed, "sandbox" | "ledger" | "store"> & {
  onParted: (runIds: readonly string[]) => Promise<void>;
}): Promise<void> {
  const { runId, rootRunId, waiting, parent } = ledger.state;
  try {
    await sandbox.discard(runId);
  } finally {
    await onParted([...(waiting ? [runId] : []), ...(parent ? [parent.run_id] : [])]);
    // A run may wait for any other one of its tree, not for what it has started alone.
    const others = await store.waits.on(rootRunId, runId);
    await onParted(others.filter((id) => id !== parent?.run_id));
  }
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
  if (error instanceof BundleUnusable) {
    return { status: "failed", stop_reason: "environment_failed", message: error.message };
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
