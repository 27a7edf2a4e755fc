import type { Kysely } from "kysely";
import type { RunEvent } from "../contract/event.ts";
import { pinsOf } from "./bundles-hold.ts";
import type { RunsTable, Schema } from "./schema.ts";
import type { Defect } from "./verify.ts";

/** What a journal says that its run pins: content, and whether it goes with the end. */
export type BundleFold = Map<string, boolean>;

export function foldBundles(pins: BundleFold, event: RunEvent): void {
  for (const [contentHash, { transient }] of pinsOf(event)) pins.set(contentHash, transient);
  if (event.type !== "run.finished") return;
  for (const [contentHash, transient] of pins) if (transient) pins.delete(contentHash);
}

/** Holds what a run pins against its journal: a pin that is missing would let its bytes be swept. */
export async function compareBundles(
  tx: Kysely<Schema>,
  run: RunsTable,
  pins: BundleFold,
  mismatch: (message: string) => void,
): Promise<void> {
  const rows = await tx
    .selectFrom("run_bundles")
    .selectAll()
    .where("run_id", "=", run.id)
    .orderBy("content_hash")
    .execute();
  const found = rows.map(({ workspace_id, content_hash, transient }) =>
    [workspace_id, content_hash, transient].join(" "),
  );
  const wanted = [...pins]
    .map(([contentHash, transient]) => [run.workspace_id, contentHash, transient ? 1 : 0].join(" "))
    .sort();
  if (found.sort().join() !== wanted.join()) mismatch("The bundles are not the journal's");
}

/** Looks for records and pins whose content nobody keeps. What the content is made of is read by who can read blobs. */
export async function verifyBundles(
  db: Kysely<Schema>,
  add: (defect: Defect) => void,
): Promise<void> {
  const records = await db
    .selectFrom("bundles")
    .leftJoin("bundle_contents", (join) =>
      join
        .onRef("bundle_contents.workspace_id", "=", "bundles.workspace_id")
        .onRef("bundle_contents.content_hash", "=", "bundles.content_hash"),
    )
    .select(["bundles.id as subject", "bundles.content_hash as contentHash"])
    .where("bundles.deleted_at", "is", null)
    .where("bundle_contents.content_hash", "is", null)
    .execute();
  const pins = await db
    .selectFrom("run_bundles")
    .leftJoin("bundle_contents", (join) =>
      join
        .onRef("bundle_contents.workspace_id", "=", "run_bundles.workspace_id")
        .onRef("bundle_contents.content_hash", "=", "run_bundles.content_hash"),
    )
    .select(["run_bundles.run_id as subject", "run_bundles.content_hash as contentHash"])
    .where("bundle_contents.content_hash", "is", null)
    .execute();
  for (const { subject, contentHash } of [...records, ...pins]) {
    const message = `Nobody keeps the content ${contentHash} that it refers to`;
    add({ kind: "row_mismatch", subject, message });
  }
}
