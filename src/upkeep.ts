import type { Clock } from "./base/clock.ts";
import { limits } from "./base/limits.ts";
import type { Log } from "./base/log.ts";
import { type BundleTrees, contentFault } from "./bundles/bundles.ts";
import { type Blobs, sweepBlobs } from "./content/content.ts";
import { Problem } from "./contract/problem.ts";
import type { DoctorReport, GcReport, VerifyReport } from "./contract/upkeep.ts";
import { sweepLayers, verifyLayers } from "./layer-upkeep.ts";
import type { LayerTrees } from "./layers/layers.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";
import type { Store } from "./store/store.ts";

/** What an operator asks of a data directory: is it whole, what can go, what does the host give. */
export interface Upkeep {
  /** Every chain, every row against its chain, every blob and layer that a row refers to against its name. */
  verify(): Promise<VerifyReport>;
  /** Removes what no row refers to, or says what it would remove. */
  gc(options: { dryRun: boolean }): Promise<GcReport>;
  doctor(): Promise<DoctorReport>;
}

export interface UpkeepDeps {
  store: Store;
  blobs: Blobs;
  layers: LayerTrees;
  dataDir: string;
  clock: Clock;
  log: Log;
  /** Absent offline: what is made of blobs waits for the next sweep of a gateway. */
  bundleTrees?: BundleTrees;
  /** Absent offline: then run directories are left alone. */
  sandbox?: Sandbox;
  doctor: () => Promise<DoctorReport>;
  /** Absent offline: values that are cut out no longer then wait for the next start. */
  secrets?: { sweep(): Promise<number> };
}

/** Upkeep that also does by itself what nobody should have to ask for. */
export interface GatewayUpkeep extends Upkeep {
  /** Clears what runs that have ended left on disk. */
  sweepRunDirectories(): Promise<number>;
  /** Collects garbage now and then until the signal aborts. */
  sweepRegularly(signal: AbortSignal): Promise<void>;
  /** Reads the layers again and again, slowly, until the signal aborts: a damaged one is refused before it is used. */
  scrubLayers(signal: AbortSignal): Promise<void>;
}

const sweepEveryMs = 6 * 60 * 60_000;

export function openUpkeepOver(deps: UpkeepDeps): GatewayUpkeep {
  const { store, blobs, dataDir, clock, log } = deps;
  const sweepRunDirectories = (dryRun = false) =>
    deps.sandbox ? sweepDirectories(store, deps.sandbox, dryRun, log) : Promise.resolve(0);
  /** One that failed, on a full disk for example, must not be the last. */
  const guarded = async (work: () => Promise<void>) => {
    await work().catch((error: unknown) => log.error({ err: error }, "upkeep.failed"));
  };
  const upkeep: GatewayUpkeep = {
    verify: oneAtATime(async () => {
      const report = await store.verify();
      const found = await verifyBlobs(store, blobs);
      const bundles = await verifyBundles(store, blobs);
      const read = await verifyLayers(deps);
      const defects = [...report.defects, ...found.defects, ...bundles, ...read.defects];
      return { ...report, ...found, ...read, defects, ok: defects.length === 0 };
    }),
    gc: oneAtATime(async ({ dryRun }: { dryRun: boolean }) => {
      if (!dryRun) await store.bundles.dropUnheld();
      const report = await sweepBlobs({
        dir: dataDir,
        blobs,
        isReferenced: (sha256) => store.files.isReferenced(sha256),
        dryRun,
        sparesMs: limits.sweepSparesMs,
        clock,
      });
      const layers = await sweepLayers(deps, dryRun, new AbortController().signal);
      const isReferenced = (contentHash: string) => store.files.isReferenced(contentHash);
      await deps.bundleTrees?.sweep(isReferenced, dryRun);
      const runDirectories = await sweepRunDirectories(dryRun);
      const { length: retainedRuns } = await store.runs.retained(null);
      return { ...report, layers, runDirectories, retainedRuns };
    }),
    doctor: oneAtATime(deps.doctor),
    sweepRunDirectories,
    scrubLayers: (signal) =>
      deps.layers.scrub(signal, (layer, reason) => log.error({ layer, reason }, "layer.damaged")),
    async sweepRegularly(signal) {
      while (!signal.aborted) {
        await guarded(async () => log.info(await upkeep.gc({ dryRun: false }), "upkeep.swept"));
        await guarded(async () =>
          log.info({ lapsed: await deps.secrets?.sweep() }, "secrets.swept"),
        );
        await clock.sleep(sweepEveryMs, signal).catch(() => undefined);
      }
    },
  };
  return upkeep;
}

/** Whoever asks while it is being done waits for his turn: two at a time would only read the disk twice at once. */
function oneAtATime<Given extends unknown[], Answer>(
  work: (...given: Given) => Promise<Answer>,
): (...given: Given) => Promise<Answer> {
  let last: Promise<unknown> = Promise.resolve();
  return (...given) => {
    const next = last.then(() => work(...given));
    last = next.catch(() => undefined);
    return next;
  };
}

/** Reads every blob that a row refers to; reading verifies it (I8). */
async function verifyBlobs(
  store: Store,
  blobs: Blobs,
): Promise<Pick<VerifyReport, "blobs" | "bytes" | "defects">> {
  const report: Pick<VerifyReport, "blobs" | "bytes" | "defects"> = {
    blobs: 0,
    bytes: 0,
    defects: [],
  };
  for await (const sha256 of store.files.referenced()) {
    report.blobs += 1;
    try {
      report.bytes += await blobs.check(sha256);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const kind = error.code === "not_found" ? "blob_missing" : "blob_corrupt";
      report.defects.push({ kind, subject: sha256, message: error.message });
    }
  }
  return report;
}

/** Holds what rows keep for every bundle against its manifest. */
async function verifyBundles(store: Store, blobs: Blobs): Promise<VerifyReport["defects"]> {
  const defects: VerifyReport["defects"] = [];
  for await (const content of store.bundles.held()) {
    const message = await contentFault(content, blobs);
    if (message === undefined) continue;
    defects.push({ kind: "row_mismatch", subject: content.contentHash, message });
  }
  return defects;
}

/** Removes the directories of every run that has ended, and of those that no row knows. */
async function sweepDirectories(
  store: Store,
  sandbox: Sandbox,
  dryRun: boolean,
  log: Log,
): Promise<number> {
  // Listed before the rows are asked: a run that begins in between is then not on the list.
  const runDirectories = sandbox.runDirectories();
  const unfinished = new Set((await store.runs.unfinished()).map(({ runId }) => runId));
  const uncleaned = new Map((await store.runs.uncleaned()).map(({ runId, uid }) => [runId, uid]));
  const retained = new Set(await store.runs.retained(null));
  const isLeft = (id: string) => !unfinished.has(id) && !retained.has(id);
  const leftOver = new Set(runDirectories.filter(isLeft));
  if (dryRun) return leftOver.size;
  let removed = 0;
  for (const runId of new Set([...leftOver, ...uncleaned.keys()])) {
    const uid = uncleaned.get(runId) ?? null;
    if (!(await sandbox.remove(runId, uid))) {
      log.warn({ run: runId }, "run.directories_remain");
      continue;
    }
    if (leftOver.has(runId)) removed += 1;
    if (!uncleaned.has(runId)) continue;
    await store.runs.freeUid(runId);
    await store.runs.markCleaned(runId);
  }
  return removed;
}
