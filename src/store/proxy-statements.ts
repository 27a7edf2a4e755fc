import { type Kysely, sql } from "kysely";
import { type Prepared, prepare } from "./prepared.ts";
import type { ProxyCallsTable, ProxyReservationsTable, ProxyUsedTable, Schema } from "./schema.ts";

/** The statements that every call of a proxy endpoint goes through. */
export interface ProxyStatements {
  usedCalls: Prepared<{ runId: string; endpoint: string }, { calls: number; bytes: number }>;
  reservedCalls: Prepared<{ runId: string; endpoint: string }, { calls: number }>;
  insertReservation: Prepared<ProxyReservationsTable, unknown>;
  markSent: Prepared<{ id: string }, { id: string }>;
  dropUnsent: Prepared<{ id: string }, unknown>;
  dropReservation: Prepared<{ runId: string; id: string }, { sent: number }>;
  insertProxyCall: Prepared<ProxyCallsTable, unknown>;
  addUsed: Prepared<ProxyUsedTable, unknown>;
}

export function compileProxyStatements(db: Kysely<Schema>): ProxyStatements {
  return {
    usedCalls: prepare((v) =>
      db
        .selectFrom("proxy_used")
        .select(["calls", "bytes"])
        .where("run_id", "=", v.runId)
        .where("endpoint", "=", v.endpoint),
    ),
    reservedCalls: prepare((v) =>
      db
        .selectFrom("proxy_reservations")
        .select((eb) => eb.fn.countAll<number>().as("calls"))
        .where("run_id", "=", v.runId)
        .where("endpoint", "=", v.endpoint),
    ),
    insertReservation: prepare((v) =>
      db.insertInto("proxy_reservations").values({
        ...{ id: v.id, run_id: v.run_id, workspace_id: v.workspace_id },
        ...{ endpoint: v.endpoint, sent: v.sent, at: v.at },
      }),
    ),
    markSent: prepare((v) =>
      db.updateTable("proxy_reservations").set({ sent: 1 }).where("id", "=", v.id).returning("id"),
    ),
    dropUnsent: prepare((v) =>
      db.deleteFrom("proxy_reservations").where("id", "=", v.id).where("sent", "=", 0),
    ),
    dropReservation: prepare((v) =>
      db
        .deleteFrom("proxy_reservations")
        .where("id", "=", v.id)
        .where("run_id", "=", v.runId)
        .returning("sent"),
    ),
    insertProxyCall: prepare((v) =>
      db.insertInto("proxy_calls").values({
        ...{ run_id: v.run_id, id: v.id, workspace_id: v.workspace_id, call_id: v.call_id },
        ...{ endpoint: v.endpoint, door: v.door, method: v.method, path: v.path },
        ...{ request_bytes: v.request_bytes, status: v.status, response_bytes: v.response_bytes },
        ...{ outcome: v.outcome, error: v.error, mode_clamped: v.mode_clamped },
        ...{ truncated: v.truncated, redacted: v.redacted, started_at: v.started_at },
        duration_ms: v.duration_ms,
      }),
    ),
    addUsed: prepare((v) =>
      db
        .insertInto("proxy_used")
        .values({
          ...{ run_id: v.run_id, endpoint: v.endpoint, workspace_id: v.workspace_id },
          ...{ calls: v.calls, bytes: v.bytes },
        })
        .onConflict((conflict) =>
          conflict.columns(["run_id", "endpoint"]).doUpdateSet({
            calls: sql<number>`proxy_used.calls + excluded.calls`,
            bytes: sql<number>`proxy_used.bytes + excluded.bytes`,
          }),
        ),
    ),
  };
}
