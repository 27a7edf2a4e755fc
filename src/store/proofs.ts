import { type Kysely, sql } from "kysely";
import { limits } from "../base/limits.ts";
import type { ArtifactProof } from "../contract/artifact-proof.ts";
import type { RunEvent } from "../contract/event.ts";
import { rowsThatFit } from "./page.ts";
import type { Schema } from "./schema.ts";
import type { Tx } from "./writer.ts";

/** More than anybody reads; a nightly proof of a year. */
const proofsMax = 400;

/** Keeps a proof beside its artifact, so that it is there when the run that gave it is deleted. */
export async function addProof(
  tx: Tx,
  run: { runId: string; workspaceId: string },
  event: Extract<RunEvent, { type: "artifact.proved" }>,
): Promise<void> {
  const { data, time } = event;
  const proof: ArtifactProof = {
    ...{ runId: run.runId, artifactDigest: data.artifact_digest, layers: data.layers },
    ...{ entrypoint: data.entrypoint, command: data.command, args: data.args },
    ...{ passed: data.passed, exitCode: data.exit_code, output: data.output ?? null },
    ...{ isolation: data.isolation, network: data.network, createdAt: time },
  };
  await tx
    .insertInto("artifact_proofs")
    .values({
      ...{ workspace_id: run.workspaceId, artifact_id: data.artifact_id, run_id: run.runId },
      ...{ call_id: data.call_id, proof: JSON.stringify(proof), created_at: time },
    })
    .onConflict((conflict) =>
      conflict.columns(["workspace_id", "artifact_id", "call_id"]).doNothing(),
    )
    .execute();
}

/** The proofs of an artifact, newest first. The sizes first: a proof keeps all arguments of its program (I9). */
export async function listProofs(
  db: Kysely<Schema>,
  workspaceId: string,
  artifactId: string,
): Promise<ArtifactProof[]> {
  const of = db
    .selectFrom("artifact_proofs")
    .where("workspace_id", "=", workspaceId)
    .where("artifact_id", "=", artifactId);
  const sizes = await of
    .select(["call_id", sql<number>`octet_length(proof)`.as("bytes")])
    .orderBy("created_at", "desc")
    .orderBy("call_id", "desc")
    .limit(proofsMax)
    .execute();
  const shown = sizes.slice(0, rowsThatFit(sizes, limits.pageBytes));
  if (shown.length === 0) return [];
  const calls = shown.map(({ call_id }) => call_id);
  const rows = await of
    .select("proof")
    .where("call_id", "in", calls)
    .orderBy("created_at", "desc")
    .orderBy("call_id", "desc")
    .execute();
  // A proof that an earlier version kept has no output.
  return rows.map(({ proof }) => ({ output: null, ...JSON.parse(proof) }) as ArtifactProof);
}
