import type { Kysely } from "kysely";
import { type Abi, type Layer, layerId } from "../contract/layer.ts";
import type { Parts } from "./journal.ts";
import { behind } from "./list-place.ts";
import type { LayersTable, Schema } from "./schema.ts";
import type { Layers, NewLayer } from "./store.ts";
import type { Tx } from "./writer.ts";

/** The rows of layers. The trees on disk are another room's; a tree is always there before its row is. */
export function openLayers({ writer, reads, clock }: Parts): Layers {
  return {
    get: (workspaceId, idOrDigest) => findLayer(reads, workspaceId, idOrDigest),
    async list(workspaceId, { limit, after }) {
      const rows = await reads
        .selectFrom("layers")
        .selectAll()
        .where("workspace_id", "=", workspaceId)
        .where(behind(after))
        .orderBy("created_at", "desc")
        .orderBy("id")
        .limit(limit + 1)
        .execute();
      return { rows: rows.slice(0, limit).map(layerOf), more: rows.length > limit };
    },
    async import(workspaceId, layer) {
      await writer.write((tx) => addLayer(tx, workspaceId, { ...layer, imported: true }));
      const known = await findLayer(reads, workspaceId, layer.digest);
      return known ?? { ...layer, id: layerId(layer.digest) };
    },
    forget: (workspaceId, digest) => writer.write((tx) => forget(tx, workspaceId, digest)),
    dropUnheld: () => writer.write((tx) => dropUnheld(tx, new Date(clock.now()).toISOString())),
    async kept() {
      const rows = await reads.selectFrom("layers").select("digest").distinct().execute();
      return new Set(rows.map(({ digest }) => digest));
    },
  };
}

/** Makes a layer known to a workspace; the first name that it had there stays. */
export async function addLayer(tx: Tx, workspaceId: string, layer: NewLayer): Promise<void> {
  await tx
    .insertInto("layers")
    .values({
      workspace_id: workspaceId,
      digest: layer.digest,
      id: layerId(layer.digest),
      name: layer.name,
      file_count: layer.fileCount,
      size_bytes: layer.sizeBytes,
      abi: layer.abi === null ? null : JSON.stringify(layer.abi),
      hosts: JSON.stringify(layer.hosts),
      created_at: layer.createdAt,
      run_id: layer.runId,
      call_id: layer.callId,
      imported: layer.imported ? 1 : 0,
    })
    .onConflict((conflict) => {
      const known = conflict.columns(["workspace_id", "digest"]);
      return layer.imported ? known.doUpdateSet({ imported: 1 }) : known.doNothing();
    })
    .execute();
}

export async function holdByRun(
  tx: Tx,
  workspaceId: string,
  runId: string,
  digest: string,
): Promise<void> {
  await tx
    .insertInto("run_layers")
    .values({ run_id: runId, digest, workspace_id: workspaceId })
    .onConflict((conflict) => conflict.columns(["run_id", "digest"]).doNothing())
    .execute();
}

export async function findLayer(
  db: Kysely<Schema>,
  workspaceId: string,
  idOrDigest: string,
): Promise<Layer | undefined> {
  const row = await db
    .selectFrom("layers")
    .selectAll()
    .where("workspace_id", "=", workspaceId)
    .where(idOrDigest.startsWith("sha256:") ? "digest" : "id", "=", idOrDigest)
    .executeTakeFirst();
  return row && layerOf(row);
}

async function forget(
  tx: Tx,
  workspaceId: string,
  digest: string,
): Promise<"forgotten" | "in_use" | "not_found"> {
  const known = await tx
    .updateTable("layers")
    .set({ imported: 0 })
    .where("workspace_id", "=", workspaceId)
    .where("digest", "=", digest)
    .returning("digest")
    .executeTakeFirst();
  if (known === undefined) return "not_found";
  const dropped = await unheld(tx)
    .where("workspace_id", "=", workspaceId)
    .where("digest", "=", digest)
    .execute();
  return dropped.length > 0 ? "forgotten" : "in_use";
}

async function dropUnheld(tx: Tx, time: string): Promise<number> {
  const late = await tx
    .deleteFrom("builds")
    .where("expires_at", "<=", time)
    .returning(["workspace_id", "key"])
    .execute();
  for (const { workspace_id, key } of late) {
    await tx
      .deleteFrom("build_layers")
      .where("workspace_id", "=", workspace_id)
      .where("key", "=", key)
      .execute();
  }
  return (await unheld(tx).execute()).length;
}

/** Deletes layers that no person brought and that no run, artifact or build in force needs. */
function unheld(tx: Tx) {
  let query = tx.deleteFrom("layers").where("imported", "=", 0);
  for (const table of ["run_layers", "artifact_layers", "build_layers"] as const) {
    query = query.where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom(table)
            .select(`${table}.digest`)
            .whereRef(`${table}.workspace_id`, "=", "layers.workspace_id")
            .whereRef(`${table}.digest`, "=", "layers.digest"),
        ),
      ),
    );
  }
  return query.returning("digest");
}

function layerOf(row: LayersTable): Layer {
  return {
    id: row.id,
    digest: row.digest,
    name: row.name,
    fileCount: row.file_count,
    sizeBytes: row.size_bytes,
    abi: row.abi === null ? null : (JSON.parse(row.abi) as Abi),
    hosts: JSON.parse(row.hosts) as string[],
    createdAt: row.created_at,
    runId: row.run_id,
    callId: row.call_id,
  };
}
