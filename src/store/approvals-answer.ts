import { assert } from "../base/assert.ts";
import type { ApprovalAnswer } from "../contract/approval.ts";
import type { RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import { findRefusal, findStanding } from "./approvals-cover.ts";
import { findApproval } from "./approvals-row.ts";
import type { ApprovalsTable } from "./approvals-schema.ts";
import { appendTo } from "./journal.ts";
import type { Statements } from "./statements.ts";
import type { Answered, AnswerToWrite, Resumed } from "./store.ts";
import type { Tx } from "./writer.ts";

/** Requests that one transaction answers: it holds the event loop for some milliseconds. */
export const answersAtOnce = 50;

/** What one transaction did: the runs that go on, and the events that their followers wait for. */
export interface Wrote {
  resumed: Resumed[];
  events: RunEvent[];
}

export interface Answering {
  tx: Tx;
  statements: Statements;
  /** ISO 8601; never goes back. */
  time: string;
}

/** Answers one request if nobody has, and it has not run out. Undefined when it is not there. */
export async function answerOne(
  at: Answering,
  workspaceId: string,
  id: string,
  answer: AnswerToWrite,
): Promise<(Wrote & { answered: Answered }) | undefined> {
  const row = await at.statements.approvalRow.first(at.tx, { id });
  if (row?.workspace_id !== workspaceId) return undefined;
  const isOver = row.expires_at <= at.time;
  const wrote = row.status === "pending" ? await resolve(at, row, answer) : nothing();
  const approval = await findApproval(at.tx, at.statements, workspaceId, id);
  assert(approval, `${id} is there in the transaction that answers it`);
  const type = row.status === "pending" && !isOver ? "answered" : "already";
  return { ...wrote, answered: { type, approval, resumed: wrote.resumed } };
}

/** Answers pending requests that the answer to `source` covers, at most `answersAtOnce`. */
export async function coverSome(at: Answering, source: string): Promise<Wrote> {
  const row = await at.statements.approvalRow.first(at.tx, { id: source });
  const covered = row && (await coveredBy(at, row));
  const wrote = nothing();
  for (const pending of covered ?? []) await cover(at, pending, wrote);
  return wrote;
}

/** Looks whether one pending request has an answer already. */
export async function settleOne(at: Answering, id: string): Promise<Wrote> {
  const row = await at.statements.approvalRow.first(at.tx, { id });
  const wrote = nothing();
  if (row?.status === "pending") await cover(at, row, wrote);
  return wrote;
}

/** Resolves pending requests whose time is over, at most `answersAtOnce`. */
export async function expireSome(at: Answering): Promise<Wrote> {
  const rows = await at.tx
    .selectFrom("approvals")
    .selectAll()
    .where("status", "=", "pending")
    .where("expires_at", "<=", at.time)
    .orderBy("expires_at")
    .limit(answersAtOnce)
    .execute();
  const wrote = nothing();
  for (const row of rows) add(wrote, await resolve(at, row, null));
  return wrote;
}

/** Which pending requests have the key that the answer reaches, oldest first. */
async function coveredBy(at: Answering, source: ApprovalsTable): Promise<ApprovalsTable[]> {
  const sameKey = keyOfAnswer(source);
  if (sameKey === undefined) return [];
  let query = at.tx
    .selectFrom("approvals")
    .selectAll()
    .where("workspace_id", "=", source.workspace_id)
    .where(sameKey.column, "=", sameKey.value)
    .where("status", "=", "pending");
  if (source.scope === "run") query = query.where("root_run_id", "=", source.root_run_id);
  return query.orderBy("requested_at").orderBy("id").limit(answersAtOnce).execute();
}

function keyOfAnswer(
  source: ApprovalsTable,
): { column: "run_key" | "agent_key" | "artifact_key"; value: string } | undefined {
  if (source.status === "denied") return { column: "agent_key", value: source.agent_key };
  if (source.status !== "approved") return undefined;
  if (source.scope === "run") return { column: "run_key", value: source.run_key };
  if (source.scope === "agent_revision") return { column: "agent_key", value: source.agent_key };
  if (source.scope === "artifact" && source.artifact_key !== null) {
    return { column: "artifact_key", value: source.artifact_key };
  }
  return undefined;
}

/** Gives a pending request the newest answer that covers it, if there is one. */
async function cover(at: Answering, row: ApprovalsTable, wrote: Wrote): Promise<void> {
  const { workspace_id: workspaceId, root_run_id: rootRunId } = row;
  const keys = { run: row.run_key, agent_revision: row.agent_key, artifact: row.artifact_key };
  const { time } = at;
  const standing = await findStanding(at.tx, { workspaceId, rootRunId, keys, time });
  // Who refused some arguments of a program has not seen these: they stay a question.
  const sameCall = { ...keys, artifact: null };
  const refusal = await findRefusal(at.tx, { workspaceId, keys: sameCall, time });
  if (refusal && (!standing || refusal.answeredAt > standing.answeredAt)) {
    const denied: AnswerToWrite = {
      ...{ status: "denied", scope: null, scopeExpiresAt: null, answeredBy: refusal.id },
      // The refusal itself is what is remembered: one row, and the one that a person gave.
      ...{ note: refusal.note, rememberedUntil: null },
    };
    add(wrote, await resolve(at, row, denied));
  } else if (standing) {
    const approved: AnswerToWrite = {
      ...{ status: "approved", scope: "once", scopeExpiresAt: null, answeredBy: standing.id },
      ...{ note: null, rememberedUntil: null },
    };
    add(wrote, await resolve(at, row, approved));
  }
}

/** Appends the answer to the run that asked; `expired` instead when its time is over, whatever the answer. */
async function resolve(
  at: Answering,
  row: ApprovalsTable,
  answer: AnswerToWrite | null,
): Promise<Wrote> {
  const run = await at.statements.runRow.first(at.tx, { runId: row.run_id });
  assert(run && !isEnd(run.status), `${row.run_id} waits for ${row.id}, so it is there`);
  const isOver = row.expires_at <= at.time;
  const data: ApprovalAnswer = {
    ...{ request_id: row.id, call_id: row.call_id },
    ...(answer === null || isOver ? expired : written(answer)),
  };
  const resolved = { type: "approval.resolved", data } as const;
  const events = await appendTo(at.tx, at.statements, run, [resolved], at.time);
  const { id: runId, workspace_id: workspaceId, root_run_id: rootRunId } = run;
  return { resumed: [{ runId, workspaceId, rootRunId }], events };
}

type Given = Omit<ApprovalAnswer, "request_id" | "call_id">;

const expired: Given = {
  ...{ status: "expired", scope: null, scope_expires_at: null },
  ...{ answered_by: null, note: null, remembered_until: null },
};

function written(answer: AnswerToWrite): Given {
  return {
    ...{ status: answer.status, scope: answer.scope, scope_expires_at: answer.scopeExpiresAt },
    ...{ answered_by: answer.answeredBy, note: answer.note },
    remembered_until: answer.rememberedUntil,
  };
}

function nothing(): Wrote {
  return { resumed: [], events: [] };
}

function add(wrote: Wrote, more: Wrote): void {
  wrote.resumed.push(...more.resumed);
  wrote.events.push(...more.events);
}
