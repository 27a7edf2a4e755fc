import type { Kysely } from "kysely";
import type { RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import { proxyCallRow, usedBy } from "./proxy-calls.ts";
import type { ProxyCallsTable, ProxyUsedTable, RunsTable, Schema } from "./schema.ts";

/** What a journal says of proxy calls: the calls of one page, and what all of them have used. */
export interface ProxyFold {
  /** Held against the rows page by page: a run can have made a million. */
  page: ProxyCallsTable[];
  calls: number;
  used: Map<string, ProxyUsedTable>;
}

export function emptyProxyFold(): ProxyFold {
  return { page: [], calls: 0, used: new Map() };
}

export function foldProxyCall(fold: ProxyFold, run: RunsTable, event: RunEvent): void {
  if (event.type !== "proxy.called") return;
  const of = { runId: run.id, workspaceId: run.workspace_id };
  fold.page.push(proxyCallRow(of, event.data));
  fold.calls += 1;
  const used = usedBy(of, event.data);
  if (used === undefined) return;
  const sum = fold.used.get(used.endpoint);
  fold.used.set(used.endpoint, {
    ...used,
    calls: used.calls + (sum?.calls ?? 0),
    bytes: used.bytes + (sum?.bytes ?? 0),
  });
}

/** Holds the rows of a page's calls against what the journal gives, and begins the next page. */
export async function compareProxyPage(
  tx: Kysely<Schema>,
  runId: string,
  fold: ProxyFold,
  report: (message: string) => void,
): Promise<void> {
  const expected = fold.page;
  fold.page = [];
  if (expected.length === 0) return;
  const rows = await tx
    .selectFrom("proxy_calls")
    .selectAll()
    .where("run_id", "=", runId)
    .where(
      "id",
      "in",
      expected.map(({ id }) => id),
    )
    .execute();
  const found = new Map(rows.map((row) => [row.id, row]));
  for (const wanted of expected) {
    const row = found.get(wanted.id);
    if (row === undefined) report(`The proxy call ${wanted.id} is missing`);
    else compareColumns(`The proxy call ${wanted.id}`, row, wanted, report);
  }
}

/** Holds the sums against what the journal gives, once all of it was read. */
export async function compareProxyUse(
  tx: Kysely<Schema>,
  run: RunsTable,
  fold: ProxyFold,
  report: (message: string) => void,
): Promise<void> {
  const { calls } = await tx
    .selectFrom("proxy_calls")
    .select((eb) => eb.fn.countAll<number>().as("calls"))
    .where("run_id", "=", run.id)
    .executeTakeFirstOrThrow();
  if (calls > fold.calls) report(`There are ${calls} proxy calls, its journal gives ${fold.calls}`);
  const rows = await tx.selectFrom("proxy_used").selectAll().where("run_id", "=", run.id).execute();
  const found = new Map(rows.map((row) => [row.endpoint, row]));
  for (const endpoint of new Set([...found.keys(), ...fold.used.keys()])) {
    const [row, wanted] = [found.get(endpoint), fold.used.get(endpoint)];
    const what = `What the proxy endpoint ${endpoint} has used`;
    if (row === undefined || wanted === undefined) report(`${what} is not the journal's`);
    else compareColumns(what, row, wanted, report);
  }
  await compareReservations(tx, run, report);
}

/** A reservation stands for a call that has no event yet, of a run that has not ended. */
async function compareReservations(
  tx: Kysely<Schema>,
  run: RunsTable,
  report: (message: string) => void,
): Promise<void> {
  const rows = await tx
    .selectFrom("proxy_reservations")
    .leftJoin("proxy_calls", (join) =>
      join
        .onRef("proxy_calls.id", "=", "proxy_reservations.id")
        .onRef("proxy_calls.run_id", "=", "proxy_reservations.run_id"),
    )
    .select([
      ...(["proxy_reservations.id", "proxy_reservations.workspace_id"] as const),
      "proxy_calls.id as settled",
    ])
    .where("proxy_reservations.run_id", "=", run.id)
    .execute();
  for (const row of rows) {
    const what = `The reservation ${row.id}`;
    if (isEnd(run.status)) report(`${what} is of a run that has ended`);
    if (row.settled !== null) report(`${what} is of a call that is settled`);
    if (row.workspace_id !== run.workspace_id) report(`${what} is of another workspace`);
  }
}

function compareColumns<Row extends object>(
  what: string,
  row: Row,
  wanted: Row,
  report: (message: string) => void,
): void {
  for (const column of Object.keys(wanted) as (keyof Row & string)[]) {
    if (row[column] !== wanted[column]) report(`${what} has a ${column} that its journal denies`);
  }
}
