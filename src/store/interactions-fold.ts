import { assert } from "../base/assert.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { RunEvent } from "../contract/event.ts";
import type { InteractionAnswer, InteractionRequest } from "../contract/interaction.ts";
import type { AppendTo } from "./append.ts";
import type { InteractionsTable } from "./interactions-schema.ts";

/** The row that a question makes. */
export function askedRow(
  run: AppendTo & { agent: string | null },
  time: string,
  request: InteractionRequest,
): InteractionsTable {
  return {
    ...{ id: request.interaction_id, workspace_id: run.workspaceId, run_id: run.runId },
    ...{ root_run_id: run.rootRunId, call_id: request.call_id, agent: run.agent },
    ...{ status: "pending", request: canonicalJson(request), answer: null },
    // Times are compared as text, so all have to be of one format.
    ...{ requested_at: time, expires_at: new Date(request.expires_at).toISOString() },
    answered_at: null,
  };
}

/** The row after its answer. An answer is given once: a second one is a defect of ours, and is not written. */
export function toldRow(
  row: InteractionsTable,
  time: string,
  answer: InteractionAnswer,
): InteractionsTable {
  assert(row.call_id === answer.call_id, `${row.id} is a question of ${row.call_id}`);
  assert(row.status === "pending", `${row.id} is ${row.status} and cannot become ${answer.status}`);
  return { ...row, status: answer.status, answered_at: time, answer: canonicalJson(answer) };
}

/** The row of a question whose run is to end before anybody answered. */
export function droppedRow(row: InteractionsTable, time: string): InteractionsTable {
  return toldRow(row, time, {
    ...{ interaction_id: row.id, call_id: row.call_id, status: "cancelled" as const },
    ...{ answer_text: null, answer_option_id: null, answered_by: null },
  });
}

/** Whether nobody needs to answer any more what this event's run has asked. */
export function dropsQuestions({ type }: RunEvent): boolean {
  return (
    type === "run.cancel_requested" ||
    type === "run.stopped" ||
    type === "run.finishing" ||
    type === "run.finished"
  );
}
