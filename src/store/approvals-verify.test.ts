import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  approval,
  askingRun,
  noon,
  openTimedStore,
  refusal,
  started,
  testClock,
} from "../../test/support/sample-approvals.ts";
import { appendNext, finishedEvents } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { newId } from "../contract/ids.ts";

/** Lets an intruder with write access to the file at one approval of every kind, and verifies. */
async function defectsAfter(sql: string) {
  const dir = await tempDir("verify");
  const clock = testClock();
  const store = await openTimedStore(dir, clock);
  const workspaceId = newId("workspace");
  const { run, request } = await askingRun(store, workspaceId, { call: "victim" });
  const victim = request.request_id;
  const scopeExpiresAt = new Date(noon + 1_000).toISOString();
  await store.approvals.answer(
    workspaceId,
    victim,
    approval({ scope: "run", scopeExpiresAt, note: "Fine" }),
  );
  await appendNext(store, run, [started(request)]);
  const refused = await askingRun(store, workspaceId, { call: "refused" });
  await store.approvals.answer(workspaceId, refused.request.request_id, refusal());
  const waiting = await askingRun(store, workspaceId, { call: "waiting" });
  const gone = await askingRun(store, workspaceId, { call: "gone" });
  await store.approvals.answer(workspaceId, gone.request.request_id, approval());
  await appendNext(store, gone.run, finishedEvents());
  await store.runs.delete(workspaceId, gone.run.runId);
  await store.close();
  const db = new DatabaseSync(join(dir, "airlock.db"));
  db.exec(
    sql
      .replaceAll("$victim", `'${victim}'`)
      .replaceAll("$refused", `'${refused.request.request_id}'`)
      .replaceAll("$waiting", `'${waiting.request.request_id}'`)
      .replaceAll("$gone", `'${gone.request.request_id}'`),
  );
  db.close();
  const { defects, ok } = await (await openTimedStore(dir, clock)).verify();
  expect(ok).toBe(defects.length === 0);
  const names = [
    ...([
      [victim, "victim"],
      [gone.request.request_id, "gone"],
    ] as const),
    ...([
      [waiting.request.request_id, "waiting"],
      [refused.request.request_id, "refused"],
    ] as const),
  ];
  return defects.map(({ kind, message }) => {
    const [, name] = names.find(([id]) => message.includes(id)) ?? [];
    return `${kind} ${name}: ${message.replaceAll(/\b(apr|run)_(?!key)\w+/g, "…")}`;
  });
}

describe("verify", () => {
  it("finds nothing wrong with approvals that only the gateway wrote, in whatever state", async () => {
    expect(await defectsAfter("select 1")).toEqual([]);
  });

  it.each([
    ["victim", "spent_at", "null"],
    ["victim", "revoked_at", "'2026-11-21T12:00:00.000Z'"],
    ["victim", "status", "'denied'"],
    ["victim", "scope", "'agent_revision'"],
    ["victim", "scope_expires_at", "null"],
    ["victim", "workspace_id", "'ws_x'"],
    ["victim", "root_run_id", "'run_x'"],
    ["victim", "call_id", "'call_x'"],
    ["victim", "run_key", "'sha256:x'"],
    ["victim", "agent_key", "'sha256:x'"],
    ["victim", "artifact_key", "'sha256:x'"],
    ["victim", "answered_at", "'2030-11-21T12:00:00.000Z'"],
    ["victim", "request", `replace(request, 'api.example.org', 'evil.example.org')`],
    ["victim", "answer", `replace(answer, 'Fine', 'No')`],
    ["refused", "remembered_until", "null"],
    ["waiting", "status", "'approved'"],
    ["waiting", "expires_at", "'2030-11-21T12:00:00.000Z'"],
  ])("finds an edited row: the %s's %s", async (name, column, value) => {
    const edit = `update approvals set ${column} = ${value} where id = $${name}`;
    expect(await defectsAfter(edit)).toEqual([
      `row_mismatch ${name}: Approval … has a ${column} that its journal does not give`,
    ]);
  });

  it("does not ask of a journal when a scope was seen to run out", async () => {
    expect(await defectsAfter("update approvals set lapsed = 1")).toEqual([]);
  });

  it("finds a row that was removed", async () => {
    expect(await defectsAfter("delete from approvals where id = $waiting")).toEqual([
      "row_mismatch waiting: Approval … is missing",
    ]);
  });

  it("finds a row that nobody asked for, of a run that is there and of one that never was", async () => {
    const copy = (run: string) => `
      create temp table copy as select * from approvals where id = $victim;
      update copy set id = $victim || 'f', run_id = ${run};
      insert into approvals select * from copy`;
    expect(await defectsAfter(copy("run_id"))).toEqual([
      "row_mismatch victim: The journal has not asked for approval …",
    ]);
    expect(await defectsAfter(copy("'run_never'"))).toEqual([
      "row_mismatch victim: Approval … is of run …, which never was",
    ]);
  });

  it("finds a question of a deleted run that is open again", async () => {
    const edit = "update approvals set status = 'pending' where id = $gone";
    expect(await defectsAfter(edit)).toEqual([
      "row_mismatch gone: Approval … is of run …, which was deleted while it waited",
    ]);
  });
});
