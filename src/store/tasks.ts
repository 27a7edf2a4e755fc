import type { Kysely } from "kysely";
import type { RunStatus } from "../contract/run.ts";
import type { JoinPolicy } from "../contract/workflow.ts";
import type { Schema } from "./schema.ts";
import type { BuiltRow, TaskRow } from "./store.ts";
import { taskStatusOf } from "./task-status.ts";

/** The runs that a run started, or all of a tree with its root; oldest first. */
export async function tasksOf(
  db: Kysely<Schema>,
  workspaceId: string,
  of: { parent: string } | { root: string },
): Promise<TaskRow[]> {
  const rows = await db
    .selectFrom("runs")
    .leftJoin("waits", "waits.run_id", "runs.id")
    .leftJoin("approvals", (join) =>
      join.onRef("approvals.run_id", "=", "runs.id").on("approvals.status", "=", "pending"),
    )
    .leftJoin("interactions", (join) =>
      join.onRef("interactions.run_id", "=", "runs.id").on("interactions.status", "=", "pending"),
    )
    .select(["runs.id", "runs.parent_run_id", "runs.parent_call_id", "runs.agent", "runs.status"])
    .select(["runs.stop_reason", "runs.message", "runs.last_text", "runs.model"])
    .select(["runs.input_tokens", "runs.output_tokens", "runs.cost_nano_usd"])
    .select(["runs.join_group", "runs.join_policy", "runs.created_at", "runs.finished_at"])
    .select(["waits.on_what", "approvals.id as approval_id"])
    .select(["interactions.id as interaction_id"])
    .where(
      "parent" in of ? "runs.parent_run_id" : "runs.root_run_id",
      "=",
      "parent" in of ? of.parent : of.root,
    )
    .where("runs.workspace_id", "=", workspaceId)
    .orderBy("runs.id")
    .execute();
  return rows.map((row) => ({
    runId: row.id,
    parentRunId: row.parent_run_id,
    callId: row.parent_call_id,
    agent: row.agent,
    status: taskStatusOf(row.status as RunStatus, row.on_what),
    stopReason: row.stop_reason,
    message: row.message,
    reply: row.last_text,
    group: row.join_group,
    policy: row.join_policy as JoinPolicy | null,
    approvalId: row.approval_id,
    interactionId: row.interaction_id,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    model: row.model,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    costNanoUsd: row.cost_nano_usd,
  }));
}

/** Every artifact that a call of the tree gave back, in the order of the calls of each run. */
export async function builtIn(
  db: Kysely<Schema>,
  workspaceId: string,
  rootRunId: string,
): Promise<BuiltRow[]> {
  const rows = await db
    .selectFrom("built_artifacts")
    .selectAll()
    .where("root_run_id", "=", rootRunId)
    .where("workspace_id", "=", workspaceId)
    .orderBy("built_at")
    .orderBy("run_id")
    .orderBy("seq")
    .execute();
  return rows.map((row) => ({
    runId: row.run_id,
    artifactId: row.artifact_id,
    artifactRef: row.artifact_ref,
    name: row.name,
    builtAt: row.built_at,
  }));
}
