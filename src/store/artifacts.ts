import { type Kysely, sql } from "kysely";
import { artifactIdentity } from "../base/artifact-identity.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import { limits } from "../base/limits.ts";
import { type Artifact, ArtifactManifest } from "../contract/artifact.ts";
import { layerId } from "../contract/layer.ts";
import { Problem } from "../contract/problem.ts";
import type { Parts } from "./journal.ts";
import { findLayer } from "./layers.ts";
import { behind, type Listed, type ListWanted } from "./list-place.ts";
import { rowsThatFit } from "./page.ts";
import { listProofs } from "./proofs.ts";
import type { Schema } from "./schema.ts";
import type { Artifacts, NewArtifact } from "./store.ts";
import type { Tx } from "./writer.ts";

/** The rows of artifacts and of the refs that hand them over. */
export function openArtifacts({ writer, reads, clock }: Parts): Artifacts {
  const now = () => new Date(clock.now()).toISOString();
  return {
    async add(workspaceId, artifact, ref) {
      const { id } = artifactIdentity(artifact.manifest);
      const { createdAt } = artifact;
      await writer.write(async (tx) => {
        await refuseLostLayers(tx, workspaceId, artifact.manifest);
        await addArtifact(tx, workspaceId, artifact);
        const own = { ref, artifactId: id, rootRunId: null, createdAt, expiresAt: null };
        await addRef(tx, workspaceId, own);
      });
      const added = await findArtifact(reads, workspaceId, id);
      if (added === undefined) throw new Error(`Artifact ${id} is gone in the moment it was added`);
      return { ...added, ref };
    },
    async get(workspaceId, idOrRef, rootRunId) {
      if (!idOrRef.startsWith("ar.")) return findArtifact(reads, workspaceId, idOrRef);
      const row = await reads
        .selectFrom("artifact_refs")
        .selectAll()
        .where("ref", "=", idOrRef)
        .where("workspace_id", "=", workspaceId)
        .executeTakeFirst();
      if (row === undefined || row.revoked_at !== null) return undefined;
      if (row.expires_at !== null && row.expires_at <= now()) return undefined;
      const isForeign = row.root_run_id !== null && row.root_run_id !== rootRunId;
      if (rootRunId !== null && isForeign) return undefined;
      const found = await findArtifact(reads, workspaceId, row.artifact_id);
      return found && { ...found, ref: row.ref };
    },
    list: (workspaceId, wanted) => listArtifacts(reads, workspaceId, wanted),
    proofs: (workspaceId, artifactId) => listProofs(reads, workspaceId, artifactId),
    revokeRef: (workspaceId, ref) =>
      writer.write(async (tx) => {
        const row = await tx
          .updateTable("artifact_refs")
          .set({ revoked_at: now() })
          .where("ref", "=", ref)
          .where("workspace_id", "=", workspaceId)
          .where("revoked_at", "is", null)
          .returning("ref")
          .executeTakeFirst();
        return row !== undefined;
      }),
  };
}

/** A layer could have been deleted since it was found; from here on the artifact holds it. */
async function refuseLostLayers(
  tx: Tx,
  workspaceId: string,
  { layers }: ArtifactManifest,
): Promise<void> {
  for (const { digest } of layers) {
    if ((await findLayer(tx, workspaceId, digest)) !== undefined) continue;
    throw new Problem("not_found", `There is no layer ${layerId(digest)}`, { digest });
  }
}

/** Adds an artifact; one that is there already is the same one, and keeps its first provenance. */
export async function addArtifact(
  tx: Tx,
  workspaceId: string,
  artifact: NewArtifact,
): Promise<void> {
  const { manifest, name, createdAt, runId, callId } = artifact;
  const { id, digest } = artifactIdentity(manifest);
  const added = await tx
    .insertInto("artifacts")
    .values({
      ...{ workspace_id: workspaceId, id, digest, manifest: canonicalJson(manifest), name },
      ...{ created_at: createdAt, run_id: runId, call_id: callId },
    })
    .onConflict((conflict) => conflict.columns(["workspace_id", "id"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  if (added === undefined) return;
  const own = { workspace_id: workspaceId, artifact_id: id };
  for (const sha256 of new Set(manifest.files.map((file) => file.sha256))) {
    await tx
      .insertInto("artifact_blobs")
      .values({ ...own, sha256 })
      .execute();
  }
  for (const layer of new Set(manifest.layers.map((held) => held.digest))) {
    await tx
      .insertInto("artifact_layers")
      .values({ ...own, digest: layer })
      .execute();
  }
}

export async function addRef(
  tx: Tx,
  workspaceId: string,
  ref: {
    ref: string;
    artifactId: string;
    rootRunId: string | null;
    createdAt: string;
    expiresAt: string | null;
  },
): Promise<void> {
  await tx
    .insertInto("artifact_refs")
    .values({
      ...{ ref: ref.ref, workspace_id: workspaceId, artifact_id: ref.artifactId },
      ...{ root_run_id: ref.rootRunId, created_at: ref.createdAt, expires_at: ref.expiresAt },
      revoked_at: null,
    })
    .onConflict((conflict) => conflict.column("ref").doNothing())
    .execute();
}

/** The sizes first: a page of manifests could be larger than the memory (I9). */
async function listArtifacts(
  db: Kysely<Schema>,
  workspaceId: string,
  { limit, after }: ListWanted,
): Promise<Listed<Artifact>> {
  const sizes = await db
    .selectFrom("artifacts")
    .select(["id", sql<number>`octet_length(manifest)`.as("bytes")])
    .where("workspace_id", "=", workspaceId)
    .where(behind(after))
    .orderBy("created_at", "desc")
    .orderBy("id")
    .limit(limit + 1)
    .execute();
  const page = sizes.slice(0, rowsThatFit(sizes.slice(0, limit), limits.pageBytes));
  const ids = page.map(({ id }) => id);
  const found = await findArtifacts(db, workspaceId, ids);
  const rows = ids.flatMap((id) => found.get(id) ?? []);
  return { rows, more: sizes.length > page.length };
}

/** Throws `digest_mismatch` for a row that no artifact could have made. */
function manifestOf({ id, manifest }: { id: string; manifest: string }): ArtifactManifest {
  try {
    return ArtifactManifest.parse(JSON.parse(manifest));
  } catch (cause) {
    const message = `The artifact ${id} is not what its digest says`;
    throw new Problem("digest_mismatch", message, { artifact: id }, { cause });
  }
}

async function findArtifact(
  db: Kysely<Schema>,
  workspaceId: string,
  id: string,
): Promise<Artifact | undefined> {
  return (await findArtifacts(db, workspaceId, [id])).get(id);
}

/** By id, each with the newest ref that is in force. */
async function findArtifacts(
  db: Kysely<Schema>,
  workspaceId: string,
  ids: readonly string[],
): Promise<Map<string, Artifact>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("artifacts")
    .selectAll()
    .select(newestRef.as("ref"))
    .where("workspace_id", "=", workspaceId)
    .where("id", "in", ids)
    .execute();
  return new Map(
    rows.map((row) => [
      row.id,
      {
        ...manifestOf(row),
        ...{ id: row.id, digest: row.digest, ref: row.ref, name: row.name },
        ...{ createdAt: row.created_at, runId: row.run_id, callId: row.call_id },
      },
    ]),
  );
}

const newestRef = sql<string | null>`(
  SELECT ref FROM artifact_refs
  WHERE workspace_id = artifacts.workspace_id AND artifact_id = artifacts.id AND revoked_at IS NULL
  ORDER BY created_at DESC LIMIT 1
)`;
