import { type Kysely, sql } from "kysely";
import { limits } from "../base/limits.ts";
import type {
  Approval,
  ApprovalScope,
  ApprovalStatus,
  ScopePreview,
} from "../contract/approval.ts";
import { approvalOf, countIdentical } from "./approvals-row.ts";
import { cursorAfterApproval, readApprovalCursor } from "./cursor.ts";
import { rowsThatFit } from "./page.ts";
import type { Schema } from "./schema.ts";
import type { Statements } from "./statements.ts";

const previewCalls = 20;

/**
 * A page of approvals. Pending ones oldest first, and of those for the very same call only the oldest; others newest
 * first. The sizes first: a page of requests could be larger than the memory (I9).
 */
export async function listApprovals(
  db: Kysely<Schema>,
  statements: Statements,
  workspaceId: string,
  filter: { status?: ApprovalStatus; limit: number; cursor?: string },
): Promise<{ approvals: Approval[]; nextCursor?: string }> {
  const { status, limit, cursor } = filter;
  const isQueue = status === "pending";
  const order = isQueue ? "asc" : "desc";
  let query = db
    .selectFrom("approvals")
    .select(["id", "requested_at", sql<number>`octet_length(request)`.as("bytes")])
    .where("workspace_id", "=", workspaceId)
    .orderBy("requested_at", order)
    .orderBy("id", order)
    .limit(limit + 1);
  if (status !== undefined) query = query.where("status", "=", status);
  if (isQueue) query = query.where(isOldestOfItsCall);
  if (cursor !== undefined) {
    const { time, id } = readApprovalCursor(cursor);
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple("requested_at", "id"), isQueue ? ">" : "<", tuple(time, id)),
    );
  }
  const sizes = await query.execute();
  const page = sizes.slice(0, rowsThatFit(sizes.slice(0, limit), limits.pageBytes));
  const approvals: Approval[] = [];
  for (const { id } of page) {
    const row = await statements.approvalRow.first(db, { id });
    // Answered since the sizes were read.
    if (!row || (status !== undefined && row.status !== status)) continue;
    approvals.push(approvalOf(row, await countIdentical(db, row)));
  }
  const last = page.at(-1);
  return sizes.length > page.length && last
    ? { approvals, nextCursor: cursorAfterApproval({ time: last.requested_at, id: last.id }) }
    : { approvals };
}

const isOldestOfItsCall = sql<boolean>`NOT EXISTS (
  SELECT 1 FROM approvals AS older
  WHERE older.workspace_id = approvals.workspace_id AND older.agent_key = approvals.agent_key
    AND older.status = 'pending'
    AND (older.requested_at, older.id) < (approvals.requested_at, approvals.id))`;

/**
 * The time of a request as something that no index has: without it SQLite reads all requests of the workspace in the
 * order of their times, rather than the few that have the key.
 */
const computedTime = sql<string>`requested_at || ''`;

/** For every scope that may be chosen: the other requests of the workspace that it would have covered, newest first. */
export async function previewScopes(
  db: Kysely<Schema>,
  workspaceId: string,
  { id, rootRunId, request }: Approval,
): Promise<ScopePreview[]> {
  const previews: ScopePreview[] = [];
  for (const scope of request.scopes) {
    const key = keyOf(scope, request.keys);
    if (key === null) {
      previews.push({ scope, count: 0, calls: [] });
      continue;
    }
    let same = db
      .selectFrom("approvals")
      .where("workspace_id", "=", workspaceId)
      .where(key.column, "=", key.value)
      .where("id", "<>", id);
    if (scope === "run") same = same.where("root_run_id", "=", rootRunId);
    const { count } = await same
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .executeTakeFirstOrThrow();
    const calls = await same
      .select(["id as approvalId", "run_id as runId", "call_id as callId", "summary"])
      .select("requested_at as requestedAt")
      .orderBy(computedTime, "desc")
      .orderBy("id", "desc")
      .limit(previewCalls)
      .execute();
    previews.push({ scope, count, calls });
  }
  return previews;
}

function keyOf(
  scope: ApprovalScope,
  keys: Approval["request"]["keys"],
): { column: "run_key" | "agent_key" | "artifact_key"; value: string } | null {
  if (scope === "run") return { column: "run_key", value: keys.run };
  if (scope === "agent_revision") return { column: "agent_key", value: keys.agent_revision };
  if (scope === "artifact" && keys.artifact !== null) {
    return { column: "artifact_key", value: keys.artifact };
  }
  return null;
}

/** The newest approved request of the same agent and tool before this one. */
export async function findLastApproved(
  db: Kysely<Schema>,
  workspaceId: string,
  { id, requestedAt, request }: Approval,
): Promise<Approval | undefined> {
  const row = await db
    .selectFrom("approvals")
    .selectAll()
    .where("workspace_id", "=", workspaceId)
    .where("agent", "=", request.agent.id ?? request.agent.revision)
    .where("tool", "=", request.tool)
    .where("status", "=", "approved")
    .where(sql<boolean>`(${computedTime}, id) < (${requestedAt}, ${id})`)
    .orderBy("requested_at", "desc")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row && approvalOf(row, 1);
}
