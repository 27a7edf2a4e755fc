import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { proxyCalled } from "../../test/support/proxy-called.ts";
import {
  appendNext,
  claimedRun,
  finishedEvents,
  openSampleStore,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { newId } from "../contract/ids.ts";

/** A run that goes on and one that has ended, both with calls; an intruder edits the file; what verify says. */
async function verifyAfter(sql: string): Promise<string[]> {
  const dir = await tempDir("verify-proxy");
  const store = await openSampleStore(dir);
  const open = await claimedRun(store);
  const ended = await claimedRun(store);
  for (const run of [open, ended]) {
    const { runId, workspaceId } = run;
    await appendNext(store, run, startedEvents);
    for (const outcome of ["ok", "denied"] as const) {
      const id = newId("proxyCall");
      await store.proxy.reserve({ id, runId, workspaceId, endpoint: "api", calls: 9 });
      await appendNext(store, run, [proxyCalled({ id, outcome })]);
    }
    const id = newId("proxyCall");
    await store.proxy.reserve({ id, runId, workspaceId, endpoint: "api", calls: 9 });
  }
  await appendNext(store, ended, finishedEvents());
  await store.close();
  const db = new DatabaseSync(join(dir, "airlock.db"));
  db.exec(sql.replaceAll("$open", `'${open.runId}'`).replaceAll("$ended", `'${ended.runId}'`));
  db.close();
  const { defects } = await (await openSampleStore(dir)).verify();
  expect(defects.every(({ kind }) => kind === "row_mismatch")).toBe(true);
  return defects.map(({ message }) => message);
}

describe("verify of proxy calls", () => {
  it("finds nothing wrong with what only the gateway wrote", async () => {
    expect(await verifyAfter("select 1")).toEqual([]);
  });

  it.each([
    [
      "a removed call",
      "delete from proxy_calls where run_id = $open and outcome = 'ok'",
      "missing",
    ],
    [
      "an edited call",
      "update proxy_calls set path = '/else' where run_id = $open and outcome = 'ok'",
      "has a path",
    ],
    [
      "a call moved to another workspace",
      "update proxy_calls set workspace_id = 'ws_x' where run_id = $open and outcome = 'ok'",
      "has a workspace_id",
    ],
    [
      "a call that never was",
      `insert into proxy_calls select run_id, 'pxc_x', workspace_id, call_id, endpoint, door, method, path,
       request_bytes, status, response_bytes, outcome, error, mode_clamped, truncated, redacted, started_at,
       duration_ms from proxy_calls where run_id = $open and outcome = 'ok'`,
      "There are 3 proxy calls",
    ],
    [
      "a budget that was filled up again",
      "update proxy_used set calls = 0 where run_id = $open",
      "has a calls",
    ],
    ["bytes that were forgotten", "delete from proxy_used where run_id = $open", "has used is not"],
    [
      "a reservation of a run that has ended",
      "update proxy_reservations set run_id = $ended where run_id = $open",
      "of a run that has ended",
    ],
    [
      "a reservation of a call that is settled",
      `update proxy_reservations set id = (select id from proxy_calls where run_id = $open limit 1)
       where run_id = $open`,
      "of a call that is settled",
    ],
  ])("finds %s", async (_, sql, message) => {
    expect(await verifyAfter(sql)).toEqual(
      expect.arrayContaining([expect.stringContaining(message)]),
    );
  });
});
