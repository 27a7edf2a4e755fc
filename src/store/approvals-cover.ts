import { type Kysely, sql } from "kysely";
import type { ApprovalRequest, ApprovalScope } from "../contract/approval.ts";
import { endStatuses } from "../contract/run.ts";
import type { Schema } from "./schema.ts";

/** An answer that a request would get without anybody being asked. */
export interface Cover {
  id: string;
  answeredAt: string;
}

type Keys = ApprovalRequest["keys"];

/** The newest approval in force at `time` that covers a call with these keys. */
export async function findStanding(
  db: Kysely<Schema>,
  asked: { workspaceId: string; rootRunId: string; keys: Keys; time: string },
): Promise<(Cover & { scope: ApprovalScope }) | undefined> {
  const { workspaceId, rootRunId, keys, time } = asked;
  const inForce = (scope: ApprovalScope) =>
    db
      .selectFrom("approvals")
      .select(["id", "scope", "answered_at"])
      .where("workspace_id", "=", workspaceId)
      .where("status", "=", "approved")
      .where("scope", "=", scope)
      .where("revoked_at", "is", null)
      .where("lapsed", "=", 0)
      .where((eb) => eb.or([eb("scope_expires_at", "is", null), eb("scope_expires_at", ">", time)]))
      .orderBy("answered_at", "desc")
      .limit(1);
  const found = [
    await inForce("run")
      .where("run_key", "=", keys.run)
      .where("root_run_id", "=", rootRunId)
      .where(({ exists, selectFrom }) =>
        // It was given for the life of this run tree, and its root is what ends last.
        exists(
          selectFrom("runs")
            .select("runs.id")
            .whereRef("runs.id", "=", "approvals.root_run_id")
            .where("runs.status", "not in", [...endStatuses, "cleaning_up"]),
        ),
      )
      .executeTakeFirst(),
    await inForce("agent_revision").where("agent_key", "=", keys.agent_revision).executeTakeFirst(),
    keys.artifact === null
      ? undefined
      : await inForce("artifact").where("artifact_key", "=", keys.artifact).executeTakeFirst(),
  ];
  return found
    .filter((row) => row !== undefined)
    .map(({ id, scope, answered_at }) => ({
      ...{ id, scope: scope as ApprovalScope, answeredAt: answered_at ?? "" },
    }))
    .reduce<(Cover & { scope: ApprovalScope }) | undefined>(
      (newest, one) => (newest && newest.answeredAt >= one.answeredAt ? newest : one),
      undefined,
    );
}

/**
 * The answers, in force at `time`, to which somebody's pending request has the same key: such as a crash kept from those
 * whom they cover. Mostly none, so this starts from the answers, however many requests there are.
 */
export async function findUnsettled(db: Kysely<Schema>, time: string): Promise<string[]> {
  const answers = db
    .selectFrom("approvals as answer")
    .select("answer.id")
    .where("answer.revoked_at", "is", null);
  const approved = (scope: ApprovalScope) =>
    answers
      .where("answer.status", "=", "approved")
      .where("answer.scope", "=", scope)
      .where("answer.lapsed", "=", 0);
  const waits = (key: "run_key" | "agent_key" | "artifact_key") =>
    sql<boolean>`EXISTS (SELECT 1 FROM approvals AS asked WHERE asked.status = 'pending'
      AND asked.workspace_id = answer.workspace_id
      AND ${sql.ref(`asked.${key}`)} = ${sql.ref(`answer.${key}`)})`;
  const found = [
    await approved("run").where(waits("run_key")).execute(),
    await approved("agent_revision").where(waits("agent_key")).execute(),
    await approved("artifact").where(waits("artifact_key")).execute(),
    await answers
      .where("answer.status", "=", "denied")
      .where("answer.remembered_until", ">", time)
      .where(waits("agent_key"))
      .execute(),
  ];
  return found.flat().map(({ id }) => id);
}

/**
 * The newest refusal of a call with these keys that is remembered at `time`. A program of an artifact is refused as it
 * is approved: whatever its arguments.
 */
export async function findRefusal(
  db: Kysely<Schema>,
  asked: { workspaceId: string; keys: Keys; time: string },
): Promise<(Cover & { until: string; note: string | null }) | undefined> {
  const { workspaceId, keys, time } = asked;
  const row = await db
    .selectFrom("approvals")
    .select(["id", "answered_at", "remembered_until", "answer"])
    .where("workspace_id", "=", workspaceId)
    .where((eb) =>
      keys.artifact === null
        ? eb("agent_key", "=", keys.agent_revision)
        : eb("artifact_key", "=", keys.artifact),
    )
    .where("status", "=", "denied")
    .where("remembered_until", ">", time)
    .orderBy("answered_at", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row || row.remembered_until === null || row.answer === null) return undefined;
  const { note }: { note: string | null } = JSON.parse(row.answer);
  return { id: row.id, answeredAt: row.answered_at ?? "", until: row.remembered_until, note };
}
