import { type Kysely, sql } from "kysely";
import { limits } from "../base/limits.ts";
import type {
  Interaction,
  InteractionAnswer,
  InteractionRequest,
  InteractionStatus,
} from "../contract/interaction.ts";
import { cursorAfterInteraction, readInteractionCursor } from "./cursor.ts";
import type { InteractionsTable } from "./interactions-schema.ts";
import { findRow } from "./interactions-write.ts";
import { rowsThatFit } from "./page.ts";
import type { Schema } from "./schema.ts";

export interface InteractionFilter {
  status?: InteractionStatus;
  limit: number;
  cursor?: string;
}

/** One question of one workspace; undefined when there is none, or it is somebody else's (I14). */
export async function findInteraction(
  db: Kysely<Schema>,
  workspaceId: string,
  id: string,
): Promise<Interaction | undefined> {
  const row = await findRow(db, id);
  return row?.workspace_id === workspaceId ? interactionOf(row) : undefined;
}

/** A page of questions, newest first; pending ones oldest first, for they wait. The sizes first (I9). */
export async function listInteractions(
  db: Kysely<Schema>,
  workspaceId: string,
  { status, limit, cursor }: InteractionFilter,
): Promise<{ interactions: Interaction[]; nextCursor?: string }> {
  const isQueue = status === "pending";
  const order = isQueue ? "asc" : "desc";
  const bytes = sql<number>`octet_length(request) + coalesce(octet_length(answer), 0)`;
  let query = db
    .selectFrom("interactions")
    .select(["id", "requested_at", bytes.as("bytes")])
    .where("workspace_id", "=", workspaceId)
    .orderBy("requested_at", order)
    .orderBy("id", order)
    .limit(limit + 1);
  if (status !== undefined) query = query.where("status", "=", status);
  if (cursor !== undefined) {
    const { time, id } = readInteractionCursor(cursor);
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple("requested_at", "id"), isQueue ? ">" : "<", tuple(time, id)),
    );
  }
  const sizes = await query.execute();
  const page = sizes.slice(0, rowsThatFit(sizes.slice(0, limit), limits.pageBytes));
  const interactions: Interaction[] = [];
  for (const { id } of page) {
    const found = await findInteraction(db, workspaceId, id);
    // Answered, or deleted with its run, since the sizes were read.
    if (found && (status === undefined || found.status === status)) interactions.push(found);
  }
  const last = page.at(-1);
  if (sizes.length === page.length || last === undefined) return { interactions };
  const nextCursor = cursorAfterInteraction({ time: last.requested_at, id: last.id });
  return { interactions, nextCursor };
}

/** A question as the API shows it. Only this gateway writes the JSON columns. */
export function interactionOf(row: InteractionsTable): Interaction {
  const request = JSON.parse(row.request) as InteractionRequest;
  const answer = row.answer === null ? null : (JSON.parse(row.answer) as InteractionAnswer);
  return {
    ...{ id: row.id, runId: row.run_id, rootRunId: row.root_run_id, callId: row.call_id },
    ...{ agent: row.agent, status: row.status as InteractionStatus, kind: request.kind },
    ...{ question: request.question, context: request.context, options: request.options },
    allowFreeform: request.allow_freeform,
    answerText: answer?.answer_text ?? null,
    answerOptionId: answer?.answer_option_id ?? null,
    answeredBy: answer?.answered_by ?? null,
    ...{ createdAt: row.requested_at, expiresAt: row.expires_at, answeredAt: row.answered_at },
  };
}
