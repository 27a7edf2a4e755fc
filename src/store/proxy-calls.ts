import { assert } from "../base/assert.ts";
import type { RunEvent } from "../contract/event.ts";
import type { ProxyCall, ProxyCalled } from "../contract/proxy-call.ts";
import type { AppendTo } from "./append.ts";
import type { ProxyCallsTable, ProxyUsedTable } from "./schema.ts";
import type { Statements } from "./statements.ts";
import type { Tx } from "./writer.ts";

type RunOf = Pick<AppendTo, "runId" | "workspaceId">;

/**
 * Settles a call: its row, what it used, and the end of its reservation, in the transaction of its event. Fails for an
 * event that says `denied`, so that nothing was sent, of a call that was sent: it would be given back.
 */
export async function addProxyCall(
  tx: Tx,
  statements: Statements,
  run: RunOf,
  event: Extract<RunEvent, { type: "proxy.called" }>,
): Promise<void> {
  const { id, outcome } = event.data;
  const reserved = await statements.dropReservation.first(tx, { runId: run.runId, id });
  assert(
    outcome !== "denied" || reserved?.sent !== 1,
    `The proxy call ${id} was sent and cannot be denied`,
  );
  await statements.insertProxyCall.all(tx, proxyCallRow(run, event.data));
  const used = usedBy(run, event.data);
  if (used !== undefined) await statements.addUsed.all(tx, used);
}

/** The row that an event gives. */
export function proxyCallRow(run: RunOf, data: ProxyCalled): ProxyCallsTable {
  return {
    ...{ run_id: run.runId, id: data.id, workspace_id: run.workspaceId, call_id: data.call_id },
    ...{ endpoint: data.endpoint, door: data.door, method: data.method, path: data.path },
    ...{ request_bytes: data.request_bytes, status: data.status, outcome: data.outcome },
    ...{ response_bytes: data.response_bytes, error: data.error },
    mode_clamped: data.mode_clamped ? 1 : 0,
    truncated: data.truncated ? 1 : 0,
    redacted: data.redacted ? 1 : 0,
    ...{ started_at: data.started_at, duration_ms: data.duration_ms },
  };
}

/** What an event takes from the budgets of its endpoint; undefined when that is nothing. */
export function usedBy(run: RunOf, data: ProxyCalled): ProxyUsedTable | undefined {
  const calls = data.outcome === "denied" ? 0 : 1;
  const bytes = data.response_bytes;
  if (calls === 0 && bytes === 0) return undefined;
  const { runId, workspaceId } = run;
  return { run_id: runId, endpoint: data.endpoint, workspace_id: workspaceId, calls, bytes };
}

/** A row as a client reads it. Only this gateway writes the columns. */
export function proxyCallOf(row: ProxyCallsTable): ProxyCall {
  const finished = new Date(Date.parse(row.started_at) + row.duration_ms);
  return {
    id: row.id,
    runId: row.run_id,
    callId: row.call_id,
    endpointName: row.endpoint,
    door: row.door as ProxyCall["door"],
    method: row.method,
    requestPathRedacted: row.path,
    requestByteSize: row.request_bytes,
    responseStatus: row.status,
    responseByteSize: row.response_bytes,
    outcome: row.outcome as ProxyCall["outcome"],
    errorClass: row.error as ProxyCall["errorClass"],
    modeClamped: row.mode_clamped === 1,
    truncated: row.truncated === 1,
    redacted: row.redacted === 1,
    startedAt: row.started_at,
    finishedAt: finished.toISOString(),
    durationMs: row.duration_ms,
  };
}
