import type { Clock } from "./base/clock.ts";
import { limits } from "./base/limits.ts";
import type { VerifyReport } from "./contract/upkeep.ts";
import type { LayerTrees } from "./layers/layers.ts";
import type { Store } from "./store/store.ts";

export interface LayerUpkeepDeps {
  store: Pick<Store, "layers">;
  layers: LayerTrees;
  clock: Clock;
}

/**
 * Forgets layers that no run, artifact or cached build needs and that nobody brought, and removes the trees that no row
 * knows. Rows go first: a gateway that dies in between has trees too many, never a row without its tree.
 */
export async function sweepLayers(
  { store, layers, clock }: LayerUpkeepDeps,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<number> {
  if (!dryRun) await store.layers.dropUnheld();
  const keep = await store.layers.kept();
  if (dryRun) return layers.list().filter((digest) => !keep.has(digest)).length;
  const before = clock.now() - limits.sweepSparesMs;
  return (await layers.sweep({ keep, before }, signal)).length;
}

/** Reads every layer that a row knows and holds it against its name (I8). */
export async function verifyLayers({
  store,
  layers,
}: LayerUpkeepDeps): Promise<Pick<VerifyReport, "layers" | "defects">> {
  const report: Pick<VerifyReport, "layers" | "defects"> = { layers: 0, defects: [] };
  for (const digest of [...(await store.layers.kept())].sort()) {
    report.layers += 1;
    const verdict = await layers.verify(digest);
    if (verdict.ok) continue;
    report.defects.push({ kind: "layer_damaged", subject: digest, message: verdict.reason });
  }
  return report;
}
