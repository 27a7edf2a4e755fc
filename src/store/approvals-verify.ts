import type { Kysely } from "kysely";
import type { RunEvent } from "../contract/event.ts";
import type { AppendTo } from "./append.ts";
import {
  answeredRow,
  cancelledRow,
  endsQuestions,
  requestedRow,
  revokedRow,
  spentRow,
} from "./approvals-fold.ts";
import type { ApprovalsTable } from "./approvals-schema.ts";
import type { Schema } from "./schema.ts";
import type { Defect } from "./verify.ts";

/** The rows of approvals that a journal gives, by id. */
export type ApprovalFold = Map<string, ApprovalsTable>;

/** Adds one event to them. Throws when the event cannot follow from those before it. */
export function foldApprovals(rows: ApprovalFold, run: AppendTo, event: RunEvent): void {
  const { time } = event;
  const change = (id: string, to: (row: ApprovalsTable) => ApprovalsTable) => {
    const row = rows.get(id);
    if (row === undefined) throw new Error(`Nothing has asked for ${id} before`);
    rows.set(id, to(row));
  };
  if (event.type === "approval.requested") {
    rows.set(event.data.request_id, requestedRow(run, time, event.data));
  } else if (event.type === "approval.resolved") {
    change(event.data.request_id, (row) => answeredRow(row, time, event.data));
  } else if (event.type === "approval.revoked") {
    change(event.data.request_id, (row) => revokedRow(row, time));
  } else if (event.type === "call.started" && event.data.approval !== undefined) {
    const { approval, call_id } = event.data;
    change(approval, (row) => spentRow(row, run, time, { approval, call_id }));
  } else if (endsQuestions(event)) {
    for (const row of rows.values()) {
      if (row.status === "pending") rows.set(row.id, cancelledRow(row, time));
    }
  }
}

/** Holds the rows of one run against what its journal gives. */
export async function compareApprovals(
  tx: Kysely<Schema>,
  runId: string,
  expected: ApprovalFold,
  report: (message: string) => void,
): Promise<void> {
  const rows = await tx.selectFrom("approvals").selectAll().where("run_id", "=", runId).execute();
  for (const row of rows) {
    const wanted = expected.get(row.id);
    if (wanted === undefined) {
      report(`The journal has not asked for approval ${row.id}`);
      continue;
    }
    for (const column of Object.keys(wanted) as (keyof ApprovalsTable)[]) {
      // When a scope was seen to run out is in no journal.
      if (column === "lapsed" || row[column] === wanted[column]) continue;
      report(`Approval ${row.id} has a ${column} that its journal does not give`);
    }
  }
  const found = new Set(rows.map(({ id }) => id));
  for (const id of expected.keys()) if (!found.has(id)) report(`Approval ${id} is missing`);
}

const pageRows = 500;

/** Approvals whose run was deleted have an answer; there is none of a run that never was. */
export async function verifyOrphans(
  db: Kysely<Schema>,
  add: (defect: Defect) => void,
): Promise<void> {
  for (let after = ""; ; ) {
    const rows = await db
      .selectFrom("approvals")
      .leftJoin("runs", "runs.id", "approvals.run_id")
      .leftJoin("deleted_runs", "deleted_runs.run_id", "approvals.run_id")
      .select(["approvals.id", "approvals.run_id", "approvals.status"])
      .select("deleted_runs.run_id as deleted")
      .where("approvals.id", ">", after)
      .where("runs.id", "is", null)
      .orderBy("approvals.id")
      .limit(pageRows)
      .execute();
    for (const { id, run_id, status, deleted } of rows) {
      const what = deleted === null ? "which never was" : "which was deleted while it waited";
      if (deleted !== null && status !== "pending") continue;
      const message = `Approval ${id} is of run ${run_id}, ${what}`;
      add({ kind: "row_mismatch", subject: id, message });
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}
