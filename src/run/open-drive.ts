import type { Analysis, Look } from "../analysis/analysis.ts";
import { limits as gatewayLimits } from "../base/limits.ts";
import { openOutputCapture } from "../content/content.ts";
import type { Capability } from "../contract/agent.ts";
import { Problem } from "../contract/problem.ts";
import { containsSecret, redactor } from "../egress/egress.ts";
import type { Model } from "../model/model.ts";
import { hasCapability } from "../policy/policy.ts";
import type { RunLease } from "../store/store.ts";
import { type BuildCache, toolsFor } from "../tools/tools.ts";
import { openCallNetwork } from "./call-network.ts";
import type { CorridorOptions } from "./corridor.ts";
import type { Patiently } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import { holdLayers } from "./held-layers.ts";
import type { Ledger } from "./ledger.ts";
import type { Live } from "./live.ts";
import { effectiveLimits } from "./next-step.ts";
import { powerOf } from "./power.ts";
import { programModel } from "./program.ts";
import { openRecord } from "./record.ts";
import { secretContext } from "./submit.ts";
import type { RunSignals } from "./worker.ts";

/** A run that was claimed, and the rooms it is driven through. */
export interface Claimed extends CorridorOptions {
  live: Live;
  builds: (workspaceId: string) => BuildCache;
  analysis: Analysis;
  packageHosts: Look["packageHosts"];
  onAsked: (requestId: string) => void;
  operatorGrant: readonly Capability[] | undefined;
  lease: RunLease;
  ledger: Ledger;
  patiently: Patiently;
  signals: RunSignals;
  /** Aborts when the run is not driven any more. */
  over: AbortSignal;
}

/** Gathers what the steps of the loop work with, and starts the run's clock. */
export async function openDrive(claimed: Claimed): Promise<Drive> {
  const { store, blobs, sandbox, config, live, clock, log, ledger, signals } = claimed;
  const { id: runId, workspaceId } = claimed.lease.run;
  const { snapshot } = ledger.state;
  const limits = effectiveLimits(snapshot, config.runLimits);
  const power = powerOf(snapshot, claimed.operatorGrant);
  const keys = await openKeys(claimed, runId);
  const secrets = Object.values(keys ?? {});
  return {
    runId,
    workspaceId,
    uid: claimed.lease.uid,
    takeUid: () => store.runs.takeUid(runId, config.uidRange),
    ledger,
    limits,
    power,
    analysis: claimed.analysis,
    packageHosts: claimed.packageHosts,
    onAsked: claimed.onAsked,
    onRevoked: signals.onRevoked,
    threads: claimed.threads,
    tools: toolsFor(power.capabilities).filter(({ capability }) =>
      (power.grants ?? []).every((grant) => hasCapability(grant, capability)),
    ),
    model: openModel(claimed, keys),
    record: openRecord(blobs, redactor(secrets, claimed.threads), claimed.patiently),
    captureOutputs: openOutputCapture({
      blobs,
      clock,
      secrets: containsSecret(secrets),
      // A sparse file takes no disk in the run, but all of its length among the blobs.
      limits: { ...gatewayLimits, outputTotalBytes: outputBytesMax(limits.diskBytes) },
    }),
    place: undefined,
    elapsedMs: startClock(claimed, limits.wallClockSeconds * 1000),
    signal: signals.signal,
    draining: signals.draining,
    stopping: signals.stopping,
    sandbox,
    blobs,
    store,
    layers: claimed.layers,
    held: holdLayers(claimed.layers, claimed.over),
    builds: claimed.builds(workspaceId),
    network: undefined,
    openNetwork: (place) =>
      openCallNetwork({
        ...{ place, sandbox, config, clock, log },
        gid: config.uidRange.first,
        append: (...events) => ledger.append(...events),
      }),
    live,
    clock,
    log,
  };
}

function outputBytesMax(diskBytes: number): number {
  return Math.min(gatewayLimits.outputTotalBytes, diskBytes);
}

/** Interrupts the run when its time is over. Measured time of earlier claims counts, the time between them does not. */
function startClock({ clock, ledger, signals, over }: Claimed, allowedMs: number): () => number {
  const { spentMs } = ledger.state;
  const start = clock.monotonic();
  let expired = false;
  void clock.sleep(Math.max(0, allowedMs - spentMs), over).then(
    () => {
      expired = true;
      signals.interrupt("The run used up its time");
    },
    // The run was over before its time was.
    () => undefined,
  );
  // A timer may fire a little before the clock says so, and then its word counts.
  return () => (expired ? Number.POSITIVE_INFINITY : spentMs + clock.monotonic() - start);
}

type Keys = Record<string, string>;

/** The model is opened once, by the first turn. */
function openModel({ models, ledger }: Claimed, keys: Keys | undefined): () => Model {
  const { model, fallbackModel, program } = ledger.state.snapshot;
  let opened = program && programModel(program);
  return () => {
    if (keys === undefined) {
      throw new Problem(
        "model_credential_missing",
        "The run's own credential cannot be opened: the gateway's key is not the one it was sealed with",
      );
    }
    opened ??= models.open({ model, ...(fallbackModel ? { fallbackModel } : {}) }, keys);
    return opened;
  };
}

/** The run's own model credentials, opened to be spent; in memory only as long as the run is driven. */
async function openKeys({ store, vault, log }: Claimed, runId: string): Promise<Keys | undefined> {
  const keys: Keys = {};
  for (const { name, sealed } of await store.secrets.get(runId)) {
    try {
      keys[name] = vault.open(sealed, secretContext(runId, name));
    } catch (error) {
      log.error({ run: runId, name, err: error }, "run.credential_unreadable");
      return undefined;
    }
  }
  return keys;
}
