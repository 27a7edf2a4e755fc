import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { limits } from "../../src/base/limits.ts";

/** Makes all blobs of a data directory, and what was unpacked there, old enough for a sweep. */
export function ageBlobs(dataDir: string): void {
  const root = join(dataDir, "blobs");
  const old = new Date(Date.now() - 2 * limits.sweepSparesMs);
  for (const shard of readdirSync(root)) {
    for (const name of readdirSync(join(root, shard))) {
      utimesSync(join(root, shard, name), old, old);
    }
  }
  const db = new DatabaseSync(join(dataDir, "airlock.db"), { timeout: 5_000 });
  db.prepare("UPDATE bundle_contents SET kept_at = ?").run(old.toISOString());
  db.close();
}

/** The digests of all blobs on disk, and whatever else lies among them. */
export function blobsIn(dataDir: string): string[] {
  const root = join(dataDir, "blobs");
  return readdirSync(root).flatMap((shard) =>
    readdirSync(join(root, shard)).map((name) => `sha256:${shard}${name}`),
  );
}
