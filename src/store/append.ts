import type { NewEvent, RunEvent } from "../contract/event.ts";
import { writeApprovals } from "./approvals-write.ts";
import { addArtifact, addRef } from "./artifacts.ts";
import { writeBudget } from "./budgets-write.ts";
import { writePins } from "./bundles-hold.ts";
import { artifactOf, blobsOf, contentsOf, layersOf, outputsOf } from "./derived.ts";
import { writeExecutions } from "./executions-fold.ts";
import type { RunState } from "./fold.ts";
import { writeInteractions } from "./interactions-write.ts";
import { writeKnowledge } from "./knowledge-write.ts";
import { addLayer, holdByRun } from "./layers.ts";
import type { Linked } from "./link.ts";
import { addProof } from "./proofs.ts";
import { addProxyCall } from "./proxy-calls.ts";
import { columnsOf } from "./run-row.ts";
import type { Statements } from "./statements.ts";
import { builtRow } from "./tree-rows.ts";
import { freeUid } from "./uids.ts";
import { writeWait } from "./waits.ts";
import type { Tx } from "./writer.ts";

export interface AppendTo {
  runId: string;
  workspaceId: string;
  rootRunId: string;
}

/** Writes new events, the row that caches them, and every other row that follows from them, in one transaction (I1). */
export async function writeAppended(
  tx: Tx,
  statements: Statements,
  run: AppendTo,
  before: RunState,
  linked: Linked,
): Promise<void> {
  await writeEvents(tx, statements, run, linked);
  const sameStatus = before.status === linked.state.status;
  const update = sameStatus ? statements.updateWorkingRun : statements.updateRun;
  await update.all(tx, { ...columnsOf(linked.state), id: run.runId });
}

/** The events and what follows from them, without the run row: a submission has just written that. */
export async function writeEvents(
  tx: Tx,
  statements: Statements,
  run: AppendTo,
  linked: Linked,
): Promise<void> {
  for (const row of linked.rows) await statements.insertEvent.all(tx, row);
  for (const event of linked.events) await writeDerived(tx, statements, run, event);
}

async function writeDerived(
  tx: Tx,
  statements: Statements,
  run: AppendTo,
  event: RunEvent,
): Promise<void> {
  await writeApprovals(tx, statements, run, event);
  await writeExecutions(tx, statements, run, event);
  await writeInteractions(tx, run, event);
  await writeWait(tx, run, event);
  await writeBudget(tx, statements, run, event);
  await writeBlobRefs(tx, run, event);
  await writePins(tx, run, event);
  await writeOutputs(tx, run, event);
  await writeContents(tx, run, event);
  await writeLayers(tx, run, event);
  await writeArtifact(tx, run, event);
  if (event.type === "artifact.proved") await addProof(tx, run, event);
  await writeKnowledge(tx, run, event);
  if (event.type === "proxy.called") await addProxyCall(tx, statements, run, event);
  if (event.type === "run.finished") {
    await tx.deleteFrom("sealed_secrets").where("run_id", "=", run.runId).execute();
    await tx.deleteFrom("proxy_reservations").where("run_id", "=", run.runId).execute();
    // Nothing of the run's own is left that the uid could be taken for.
    if (event.data.cleanup_status === "succeeded") await freeUid(tx, run.runId);
  }
}

async function writeBlobRefs(tx: Tx, run: AppendTo, event: NewEvent): Promise<void> {
  for (const part of chunks(blobsOf(event))) {
    await tx
      .insertInto("blob_refs")
      .values(part.map((sha256) => ({ run_id: run.runId, sha256, workspace_id: run.workspaceId })))
      .onConflict((conflict) => conflict.columns(["run_id", "sha256"]).doNothing())
      .execute();
  }
}

async function writeOutputs(tx: Tx, run: AppendTo, event: NewEvent): Promise<void> {
  const outputs = outputsOf(event);
  if (!outputs) return;
  await tx.deleteFrom("outputs").where("run_id", "=", run.runId).execute();
  const rows = outputs.map((output, position) => ({
    run_id: run.runId,
    position,
    id: output.id,
    workspace_id: run.workspaceId,
    path: output.path,
    name: output.name,
    sha256: output.sha256,
    bytes: output.bytes,
    content_type: output.contentType,
  }));
  for (const part of chunks(rows)) await tx.insertInto("outputs").values(part).execute();
}

async function writeContents(tx: Tx, run: AppendTo, event: NewEvent): Promise<void> {
  const contents = contentsOf(event);
  if (contents.length === 0) return;
  const newest = await tx
    .selectFrom("contents")
    .select((eb) => eb.fn.max<number | null>("position").as("position"))
    .where("root_run_id", "=", run.rootRunId)
    .executeTakeFirst();
  const first = (newest?.position ?? 0) + 1;
  const rows = contents.map((content, index) => ({
    root_run_id: run.rootRunId,
    position: first + index,
    run_id: run.runId,
    workspace_id: run.workspaceId,
    name: content.name,
    visibility: content.visibility,
    sha256: content.sha256,
    bytes: content.bytes,
  }));
  for (const part of chunks(rows)) await tx.insertInto("contents").values(part).execute();
}

async function writeLayers(tx: Tx, run: AppendTo, event: RunEvent): Promise<void> {
  for (const layer of layersOf(event)) {
    await addLayer(tx, run.workspaceId, {
      digest: layer.digest,
      name: layer.name,
      fileCount: layer.file_count,
      sizeBytes: layer.size_bytes,
      abi: layer.abi,
      hosts: layer.hosts,
      createdAt: event.time,
      runId: run.runId,
      callId: callIdOf(event),
      imported: false,
    });
    await holdByRun(tx, run.workspaceId, run.runId, layer.digest);
  }
}

async function writeArtifact(tx: Tx, run: AppendTo, event: RunEvent): Promise<void> {
  const { rootRunId } = run;
  const givenRefs = event.type === "run.forked" ? event.data.artifacts : [];
  for (const { artifact_ref: ref, artifact_id: artifactId } of givenRefs) {
    const own = { ref, artifactId, rootRunId, createdAt: event.time, expiresAt: null };
    await addRef(tx, run.workspaceId, own);
  }
  const built = artifactOf(event);
  if (built === undefined) return;
  await addArtifact(tx, run.workspaceId, {
    manifest: built.manifest,
    name: built.name,
    createdAt: event.time,
    runId: run.runId,
    callId: callIdOf(event),
  });
  await addRef(tx, run.workspaceId, {
    ref: built.artifact_ref,
    artifactId: built.artifact_id,
    rootRunId: run.rootRunId,
    createdAt: event.time,
    expiresAt: null,
  });
  const row = builtRow(run, event);
  if (row !== undefined) await tx.insertInto("built_artifacts").values(row).execute();
}

function callIdOf(event: RunEvent): string | null {
  return event.type === "call.finished" ? event.data.call_id : null;
}

/** A statement has a limit of parameters, and the cache of statements should not fill with lengths. */
const chunkRows = 50;

function* chunks<T>(rows: T[]): Iterable<T[]> {
  for (let start = 0; start < rows.length; start += chunkRows) {
    yield rows.slice(start, start + chunkRows);
  }
}
