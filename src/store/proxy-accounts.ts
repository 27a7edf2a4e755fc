import { Problem } from "../contract/problem.ts";
import { isEnd } from "../contract/run.ts";
import type { Parts } from "./journal.ts";
import { proxyCallOf } from "./proxy-calls.ts";
import type { Statements } from "./statements.ts";
import type { ProxyAccounts, ProxyUsed } from "./store.ts";
import type { Tx } from "./writer.ts";

type Reservation = Parameters<ProxyAccounts["reserve"]>[0];

/**
 * What calls of proxy endpoints have used. A call is settled by its `proxy.called` event (`addProxyCall`); until then its
 * reservation stands for it, so that settled and reserved together never exceed the budget.
 */
export function openProxyAccounts({ writer, reads, statements, clock }: Parts): ProxyAccounts {
  const now = () => new Date(clock.now()).toISOString();
  return {
    reserve: (wanted) => writer.write((tx) => reserve(tx, statements, wanted, now())),
    sent: (id) =>
      writer.write(async (tx) => {
        if ((await statements.markSent.first(tx, { id })) !== undefined) return;
        // Nothing may be sent that is on no account.
        const why = "its run has ended, or it was given back";
        throw new Problem("run_finished", `The proxy call ${id} is not reserved any more: ${why}`);
      }),
    release: (id) =>
      writer.write(async (tx) => {
        await statements.dropUnsent.all(tx, { id });
      }),
    used: (runId, endpoint) => usedOf(reads, statements, runId, endpoint),
    async unsettled(runId) {
      const rows = await reads
        .selectFrom("proxy_reservations")
        .select(["id", "endpoint", "sent", "at"])
        .where("run_id", "=", runId)
        .orderBy("id")
        .execute();
      return rows.map((row) => ({ ...row, sent: row.sent === 1 }));
    },
    async list(workspaceId, runId, { after, most }) {
      let query = reads
        .selectFrom("proxy_calls")
        .selectAll()
        .where("run_id", "=", runId)
        .where("workspace_id", "=", workspaceId)
        .orderBy("id")
        .limit(most + 1);
      if (after !== null) query = query.where("id", ">", after);
      const rows = await query.execute();
      return { rows: rows.slice(0, most).map(proxyCallOf), more: rows.length > most };
    },
  };
}

async function reserve(
  tx: Tx,
  statements: Statements,
  { id, runId, workspaceId, endpoint, calls, isSent }: Reservation,
  time: string,
): Promise<{ ok: boolean; used: ProxyUsed }> {
  const run = await statements.runRow.first(tx, { runId });
  if (run === undefined || run.workspace_id !== workspaceId) {
    throw new Problem("not_found", `There is no run ${runId}`);
  }
  if (isEnd(run.status)) throw new Problem("run_finished", `Run ${runId} has ended`);
  const used = await usedOf(tx, statements, runId, endpoint);
  if (used.calls >= calls) return { ok: false, used };
  await statements.insertReservation.all(tx, {
    ...{ id, run_id: runId, workspace_id: workspaceId, endpoint, at: time },
    sent: isSent === true ? 1 : 0,
  });
  return { ok: true, used: { ...used, calls: used.calls + 1 } };
}

async function usedOf(
  db: Tx,
  statements: Statements,
  runId: string,
  endpoint: string,
): Promise<ProxyUsed> {
  // In this order a call that is settled in between is seen twice, in the other one not at all.
  const reserved = await statements.reservedCalls.first(db, { runId, endpoint });
  const settled = await statements.usedCalls.first(db, { runId, endpoint });
  return { calls: (settled?.calls ?? 0) + (reserved?.calls ?? 0), bytes: settled?.bytes ?? 0 };
}
