import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  finishedEvents,
  openSampleStore,
  replied,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { newId } from "../contract/ids.ts";
import type { RunBudget } from "../contract/submission.ts";
import type { BudgetAsk, NewRun, Store } from "./store.ts";

function rootOf(store: Store, budget?: RunBudget): Promise<NewRun> {
  const snapshot = { model: "scripted/demo", prompt: ["go"], ...(budget ? { budget } : {}) };
  return claimedRun(store, { snapshot });
}

function childOf(store: Store, { runId, workspaceId }: NewRun): Promise<NewRun> {
  const of = { run_id: runId, root_run_id: runId, depth: 1, group: "g" };
  const parent = { ...of, call_id: newId("call"), policy: "all", async: true } as const;
  return claimedRun(store, { workspaceId, parent });
}

function ask(root: NewRun, run: NewRun, over: Partial<BudgetAsk> = {}): BudgetAsk {
  return {
    ...{ runId: run.runId, rootRunId: root.runId, workspaceId: run.workspaceId, turn: 1 },
    ...{ input: { tokens: 100, nanoUsd: 100_000 }, nanoUsdPerOutputToken: 2_000 },
    ...{ output: { min: 50, wanted: 200 }, last: false, more: false, ...over },
  };
}

describe("the budget of a run tree", () => {
  it("gives an answer all of its length, then what is left, then nothing with the limit's name", async () => {
    const store = await openSampleStore(await tempDir("budgets"));
    const root = await rootOf(store, { tokens: 480 });
    expect(await store.budgets.reserve(ask(root, root))).toMatchObject({ output: 200 });
    await appendNext(store, root, [replied("done")]);
    const child = await childOf(store, root);
    // 15 are used: the whole fits still.
    expect(await store.budgets.reserve(ask(root, child))).toMatchObject({ output: 200 });
    const other = await childOf(store, root);
    expect(await store.budgets.reserve(ask(root, other))).toEqual({ type: "busy" });
    const hurried = ask(root, other, { last: true, output: { min: 80, wanted: 200 } });
    expect(await store.budgets.reserve(hurried)).toEqual({
      type: "refused",
      message:
        "The budget of the run tree has no room for another turn: tokens: 15 of 480 used, 300 reserved, 180 asked",
    });
    expect(await store.budgets.reserve(ask(root, other, { last: true }))).toMatchObject({
      type: "reserved",
      output: 65,
    });
    const lost = { turn: 1, reason: "failed", tokens: 300, cost_usd: 0 } as const;
    await appendNext(store, child, [{ type: "turn.lost", data: lost }]);
    await store.budgets.release(other.runId);
    // Nobody else has anything: what is left is all that there will be.
    expect(await store.budgets.reserve(ask(root, other))).toMatchObject({ output: 65 });
    await store.budgets.release(other.runId);
    const large = ask(root, other, { input: { tokens: 150, nanoUsd: 0 } });
    expect(await store.budgets.reserve(large)).toEqual({
      type: "refused",
      message:
        "The budget of the run tree has no room for another turn: tokens: 315 of 480 used, 0 reserved, 200 asked",
    });
  });

  it("keeps what an earlier attempt of a turn has reserved when the next one is lost and made again", async () => {
    const store = await openSampleStore(await tempDir("budgets-attempts"));
    const root = await rootOf(store, { tokens: 900 });
    await store.budgets.reserve(ask(root, root));
    await store.budgets.reserve(ask(root, root, { more: true, last: true }));
    expect(await store.budgets.reservation(root.runId)).toMatchObject({ tokens: 600 });
    const lost = { turn: 1, reason: "retried", tokens: 300, cost_usd: 0.0005 } as const;
    await appendNext(store, root, [{ type: "turn.lost", data: lost }]);
    expect(await store.budgets.reservation(root.runId)).toMatchObject({ tokens: 300 });
    const child = await childOf(store, root);
    await store.budgets.reserve(ask(root, child));
    // 300 are lost, 300 held by each: there is room for nobody, and nobody's was given away.
    const more = await store.budgets.reserve(ask(root, root, { more: true, last: true }));
    expect(more).toMatchObject({ type: "refused" });
    await appendNext(store, root, [{ type: "turn.lost", data: { ...lost, reason: "failed" } }]);
    const shown = await store.budgets.shown(root.workspaceId, root.runId);
    expect(shown?.tokens).toEqual({ limit: 900, used: 600, reserved: 300 });
  });

  it("counts money in billionths of a dollar, and lets no answer cost more than is left", async () => {
    const store = await openSampleStore(await tempDir("budgets-usd"));
    const root = await rootOf(store, { usd: 0.0003 });
    // 300,000 - 100,000 of the input are 100 tokens at 2,000.
    expect(await store.budgets.reserve(ask(root, root))).toMatchObject({ output: 100 });
    const child = await childOf(store, root);
    expect(await store.budgets.reserve(ask(root, child, { last: true }))).toEqual({
      type: "refused",
      message:
        "The budget of the run tree has no room for another turn: usd: 0 of 0.0003 used, 0.0003 reserved, 0.0002 asked",
    });
  });

  it("lets as many turns be asked as it has, those at work included", async () => {
    const store = await openSampleStore(await tempDir("budgets-turns"));
    const root = await rootOf(store, { turns: 1 });
    const child = await childOf(store, root);
    expect(await store.budgets.reserve(ask(root, root))).toMatchObject({ type: "reserved" });
    expect(await store.budgets.reserve(ask(root, child))).toMatchObject({ type: "busy" });
    // Another attempt of the same turn is no other turn.
    expect(await store.budgets.reserve(ask(root, root, { more: true }))).toMatchObject({
      type: "reserved",
    });
    await appendNext(store, root, [replied("done")]);
    expect(await store.budgets.reserve(ask(root, child))).toEqual({
      type: "refused",
      message:
        "The budget of the run tree has no room for another turn: turns: 1 of 1 used, 0 reserved, 1 asked",
    });
  });

  it("goes with its tree", async () => {
    const dir = await tempDir("budgets-delete");
    const store = await openSampleStore(dir);
    const root = await rootOf(store, { tokens: 1_000 });
    const child = await childOf(store, root);
    await appendNext(store, child, [replied("done"), ...finishedEvents()]);
    await appendNext(store, root, finishedEvents());
    const file = new DatabaseSync(`${dir}/airlock.db`, { readOnly: true });
    const rowsOf = (table: string) => file.prepare(`select count(*) as rows from ${table}`).get();
    expect(rowsOf("budget_used")).toEqual({ rows: 1 });
    expect(await store.runs.delete(root.workspaceId, root.runId)).toBe("deleted");
    for (const table of ["budgets", "budget_used", "budget_reservations"]) {
      expect(rowsOf(table)).toEqual({ rows: 0 });
    }
    file.close();
  });

  it("is nobody's business in another workspace (I14)", async () => {
    const store = await openSampleStore(await tempDir("budgets-other"));
    const root = await rootOf(store, { tokens: 1_000 });
    expect(await store.budgets.shown(newId("workspace"), root.runId)).toBeNull();
  });

  it("is not kept of a tree that has none, and costs it no reservation", async () => {
    const store = await openSampleStore(await tempDir("budgets-none"));
    const root = await rootOf(store);
    await appendNext(store, root, [replied("done")]);
    expect(await store.budgets.of(root.runId)).toBeUndefined();
    expect(await store.budgets.shown(root.workspaceId, root.runId)).toBeNull();
  });

  it.each([
    ["update budgets set tokens = 5000", "The budget has tokens 5000"],
    ["update budgets set used_tokens = 1", "The budget has used_tokens 1"],
    ["update budget_used set turns = 0", "It used 0 turns of the budget, its journal gives 1"],
    ["delete from budget_used", "What it used of the budget is not the journal's"],
    ["pragma foreign_keys = off; delete from budgets", "not the one of its submission"],
  ])("is held against the journals: %s", async (change, message) => {
    const dir = await tempDir("budgets-verify");
    const store = await openSampleStore(dir);
    const root = await rootOf(store, { tokens: 1_000 });
    await appendNext(store, root, [replied("done")]);
    expect(await store.verify()).toMatchObject({ ok: true });
    const file = new DatabaseSync(`${dir}/airlock.db`);
    file.exec(change);
    file.close();
    const { ok, defects } = await store.verify();
    expect(ok).toBe(false);
    expect(JSON.stringify(defects)).toContain(message);
  });
});
