import { openOutputCapture } from "../content/content.ts";
import { Problem } from "../contract/problem.ts";
import { containsSecret, redactor } from "../egress/egress.ts";
import type { Model } from "../model/model.ts";
import { builtInCapabilities } from "../policy/policy.ts";
import type { RunLease } from "../store/store.ts";
import { toolsFor } from "../tools/tools.ts";
import type { CorridorOptions } from "./corridor.ts";
import type { Drive } from "./drive.ts";
import { type Ledger, LetGo, openLedger } from "./ledger.ts";
import type { Live } from "./live.ts";
import { loop } from "./loop.ts";
import { type End, effectiveLimits } from "./next-step.ts";
import { openRecord } from "./record.ts";
import { secretContext } from "./submit.ts";
import type { RunSignals, WorkerOptions } from "./worker.ts";

/**
 * How a worker drives a run: claim it under this gateway's epoch, fold its journal, gather what its loop works with, and
 * loop. A defect of ours ends this run as `internal` and no other.
 */
export function openDriver(options: CorridorOptions & { live: Live }): WorkerOptions["drive"] {
  const { store, clock, log } = options;
  return async (runId, workspaceId, signals) => {
    const lease = await store.journal.claim(runId, store.epoch);
    if (!lease) return;
    const { epoch } = lease;
    const ledger = await openLedger({
      journal: store.journal,
      runId,
      workspaceId,
      epoch,
      clock,
      log,
      stopping: signals.stopping,
    });
    const type = ledger.state.started ? "run.resumed" : "run.started";
    await ledger.append({ type, data: { epoch } });
    log.info({ run: runId, epoch, resumed: type === "run.resumed" }, "run.claimed");
    const timer = new AbortController();
    try {
      const drive = await gather(options, lease, ledger, signals, timer.signal);
      await guarded(drive, () => loop(drive));
    } finally {
      timer.abort();
    }
  };
}

/** Runs the loop; what it throws becomes the end of the run, unless the run is only let go. */
async function guarded(drive: Drive, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (error instanceof LetGo || drive.stopping.aborted) throw error;
    drive.log.error({ run: drive.runId, err: error }, "run.failed");
    if (!drive.ledger.state.finishing) {
      await drive.ledger.append({ type: "run.finishing", data: endFor(error) });
    }
    await body();
  }
}

function endFor(error: unknown): End {
  if (error instanceof Problem) {
    const { code, message } = error;
    if (code === "sandbox_unavailable" || code === "storage_full") {
      return { status: "failed", stop_reason: code, message };
    }
  }
  return {
    status: "failed",
    stop_reason: "internal",
    message: "The gateway made a mistake; its log has the details",
  };
}

async function gather(
  options: CorridorOptions & { live: Live },
  lease: RunLease,
  ledger: Ledger,
  { signal, draining, stopping, interrupt }: RunSignals,
  ended: AbortSignal,
): Promise<Drive> {
  const { store, blobs, models, sandbox, config, live, clock, log } = options;
  const { id: runId, workspaceId } = lease.run;
  const { snapshot, spentMs } = ledger.state;
  const limits = effectiveLimits(snapshot, config.runLimits);
  const keys = await openKeys(options, runId);
  const secrets = Object.values(keys);
  const capabilities = snapshot.agent?.capabilities ?? builtInCapabilities;

  const start = clock.monotonic();
  let expired = false;
  const remainingMs = Math.max(0, limits.wallClockSeconds * 1000 - spentMs);
  void clock.sleep(remainingMs, ended).then(
    () => {
      expired = true;
      interrupt("The run used up its time");
    },
    () => undefined,
  );

  let model: Model | undefined;
  const { model: id, fallbackModel } = snapshot;
  return {
    runId,
    workspaceId,
    uid: lease.uid,
    takeUid: () => store.runs.takeUid(runId, config.uidRange),
    ledger,
    limits,
    capabilities,
    tools: toolsFor(capabilities),
    model: () =>
      (model ??= models.open({ model: id, ...(fallbackModel ? { fallbackModel } : {}) }, keys)),
    record: openRecord(blobs, redactor(secrets)),
    captureOutputs: openOutputCapture({ blobs, clock, secrets: containsSecret(secrets) }),
    place: undefined,
    elapsedMs: () => (expired ? Number.POSITIVE_INFINITY : spentMs + clock.monotonic() - start),
    signal,
    draining,
    stopping,
    sandbox,
    blobs,
    store,
    live,
    clock,
    log,
  };
}

/** The run's own model credentials, opened to be spent; in memory only as long as the run is driven. */
async function openKeys(
  { store, vault }: CorridorOptions,
  runId: string,
): Promise<Record<string, string>> {
  const sealed = await store.secrets.get(runId);
  return Object.fromEntries(
    sealed.map((secret) => [
      secret.name,
      vault.open(secret.sealed, secretContext(runId, secret.name)),
    ]),
  );
}
