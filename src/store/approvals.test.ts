import { describe, expect, it } from "vitest";
import {
  approval,
  askingRun,
  day,
  noon,
  openTimedStore,
  refusal,
  requested,
  sampleRequest,
  started,
  testClock,
} from "../../test/support/sample-approvals.ts";
import { appendNext, finishedEvents } from "../../test/support/sample-store.ts";
import { times } from "../../test/support/soak.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { RunEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import type { Store } from "./store.ts";

const rounds = times(1_000, 20);

async function opened() {
  const clock = testClock();
  const store = await openTimedStore(await tempDir("approvals"), clock);
  return { clock, store, workspaceId: newId("workspace") };
}

async function lastEvent(store: Store, runId: string): Promise<RunEvent | undefined> {
  return (await store.journal.read(runId, 0, 100)).at(-1);
}

async function sound(store: Store): Promise<void> {
  expect((await store.verify()).defects).toEqual([]);
}

describe("an approval", () => {
  it("is a row as soon as its request is in the journal, and parks the run", async () => {
    const { store, workspaceId } = await opened();
    const { run, request } = await askingRun(store, workspaceId);
    expect(await store.approvals.get(workspaceId, request.request_id)).toEqual({
      ...{ id: request.request_id, runId: run.runId, rootRunId: run.runId, status: "pending" },
      ...{ request, answer: null, identical: 1, requestedAt: new Date(noon).toISOString() },
      ...{ answeredAt: null, spentAt: null, revokedAt: null },
    });
    expect(await store.runs.get(workspaceId, run.runId)).toMatchObject({ status: "waiting" });
    await sound(store);
  });

  it("is answered once: the answer is in the journal, told to its followers, and lets the run go on", async () => {
    const { store, workspaceId } = await opened();
    const { run, request } = await askingRun(store, workspaceId);
    const told: number[] = [];
    store.journal.onAppend(run.runId, (seq) => told.push(seq));
    const first = await store.approvals.answer(
      workspaceId,
      request.request_id,
      approval({ note: "Fine" }),
    );
    expect(first).toMatchObject({
      type: "answered",
      approval: { status: "approved", answer: { note: "Fine", answered_by: "tok_person" } },
      resumed: [{ runId: run.runId, workspaceId }],
    });
    const event = await lastEvent(store, run.runId);
    expect(event).toMatchObject({ type: "approval.resolved", data: first?.approval.answer });
    expect(told).toEqual([event?.seq]);
    expect(await store.runs.get(workspaceId, run.runId)).toMatchObject({ status: "running" });
    const second = await store.approvals.answer(workspaceId, request.request_id, refusal());
    expect(second).toEqual({ type: "already", approval: first?.approval, resumed: [] });
    expect(await lastEvent(store, run.runId)).toEqual(event);
    await sound(store);
  });

  it(`starts one call, however many try at the same time: 50 in each of ${rounds} rounds (G04)`, async () => {
    const { store, workspaceId } = await opened();
    for (let round = 0; round < rounds; round++) {
      const { run, request } = await askingRun(store, workspaceId, { call: `round ${round}` });
      await store.approvals.answer(workspaceId, request.request_id, approval());
      const seq = (await store.runs.get(workspaceId, run.runId))?.lastSeq ?? 0;
      const spend = async (index: number) => {
        // Each expects the sequence that it would find if the others had won before it: only the row can stop it.
        const fence = { epoch: store.epoch, seq: seq + (index % 2) };
        return store.journal
          .append(run.runId, fence, [started(request)])
          .catch((error: unknown) => error);
      };
      const outcomes = await Promise.all(Array.from({ length: 50 }, (_, index) => spend(index)));
      expect(outcomes.filter((one) => Object(one).type === "appended")).toHaveLength(1);
      expect(outcomes.filter((one) => Object(one).reason === "spent")).toHaveLength(25);
      const events = await store.journal.read(run.runId, 0, 100);
      expect(events.filter(({ type }) => type === "call.started")).toHaveLength(1);
    }
    await sound(store);
  });

  it("that is pending, refused, revoked, out of time, another call's or another tenant's starts nothing (G02 G03)", async () => {
    const { clock, store, workspaceId } = await opened();
    const { run, request } = await askingRun(store, workspaceId);
    const tried = (events = [started(request)]) => appendNext(store, run, events);
    const refused = async (reason: string, events?: Parameters<typeof tried>[0]) => {
      await expect(tried(events)).rejects.toMatchObject({ name: "ApprovalUnusable", reason });
    };
    await refused("not_approved");
    await store.approvals.answer(workspaceId, request.request_id, approval());
    const other = { ...request, call_id: newId("call") };
    await refused("other_call", [started(other)]);
    await refused("not_found", [started({ ...request, request_id: sampleRequest().request_id })]);
    const stranger = await askingRun(store, newId("workspace"));
    await refused("not_found", [started(stranger.request)]);
    const revocation = { revokedBy: "tok_person", reason: null };
    await store.approvals.revoke(workspaceId, request.request_id, revocation);
    await refused("revoked");
    const limited = await askingRun(store, workspaceId);
    const scopeExpiresAt = new Date(noon + 1000).toISOString();
    const until = approval({ scope: "run", scopeExpiresAt });
    await store.approvals.answer(workspaceId, limited.request.request_id, until);
    clock.time += 1000;
    await expect(appendNext(store, limited.run, [started(limited.request)])).rejects.toMatchObject({
      reason: "out_of_time",
    });
    expect((await lastEvent(store, run.runId))?.type).toBe("approval.revoked");
    await sound(store);
  });

  it("takes the whole append with it when it cannot be spent", async () => {
    const { store, workspaceId } = await opened();
    const { run, request } = await askingRun(store, workspaceId);
    const before = await lastEvent(store, run.runId);
    const decided = { call_id: "call_1", tool: "x", decision: "allow", rule: "x" } as const;
    await expect(
      appendNext(store, run, [{ type: "call.decided", data: decided }, started(request)]),
    ).rejects.toMatchObject({ reason: "not_approved" });
    expect(await lastEvent(store, run.runId)).toEqual(before);
    await sound(store);
  });

  it("is cancelled when its run ends or is stopped before anybody answered", async () => {
    const { store, workspaceId } = await opened();
    const stop = { root_run_id: newId("run"), requested_by: "tok_1", reason: "Enough" };
    for (const events of [finishedEvents(), [{ type: "run.stopped" as const, data: stop }]]) {
      const { run, request } = await askingRun(store, workspaceId);
      await appendNext(store, run, events);
      const answered = await store.approvals.answer(workspaceId, request.request_id, approval());
      expect(answered).toMatchObject({ type: "already", approval: { status: "cancelled" } });
    }
    await sound(store);
  });

  it("outlives its run, and can be taken back then", async () => {
    const { store, workspaceId } = await opened();
    const ids: string[] = [];
    for (const deleted of [false, true]) {
      const { run, request } = await askingRun(store, workspaceId, { call: `${deleted}` });
      const standing = approval({ scope: "agent_revision" });
      await store.approvals.answer(workspaceId, request.request_id, standing);
      await appendNext(store, run, [started(request), ...finishedEvents()]);
      if (deleted) await store.runs.delete(workspaceId, run.runId);
      const { keys } = request;
      expect(await store.approvals.standing(workspaceId, "", keys)).toMatchObject({
        id: request.request_id,
      });
      const by = { revokedBy: "tok_1", reason: null };
      const revoked = await store.approvals.revoke(workspaceId, request.request_id, by);
      expect(revoked).toMatchObject({ revokedAt: new Date(noon).toISOString() });
      expect(await store.approvals.standing(workspaceId, "", keys)).toBeUndefined();
      expect(await store.approvals.revoke(workspaceId, request.request_id, by)).toBeNull();
      ids.push(request.request_id);
    }
    expect(ids).toHaveLength(2);
    await sound(store);
  });

  it("that is asked for twice under one id is not written", async () => {
    const { store, workspaceId } = await opened();
    const { run, request } = await askingRun(store, workspaceId);
    await expect(appendNext(store, run, [requested(request)])).rejects.toThrow();
    await sound(store);
  });

  it("waits as long as it may when nobody answers, and then is expired, durably", async () => {
    const { clock, store, workspaceId } = await opened();
    const { run, request } = await askingRun(store, workspaceId);
    expect(await store.approvals.nextExpiry()).toBe(noon + 30 * day);
    clock.time += 30 * day - 1;
    expect(await store.approvals.expire()).toEqual([]);
    clock.time += 1;
    expect(await store.approvals.expire()).toEqual([
      { runId: run.runId, workspaceId, rootRunId: run.runId },
    ]);
    expect(await store.approvals.nextExpiry()).toBeUndefined();
    clock.time = noon;
    const answered = await store.approvals.answer(workspaceId, request.request_id, approval());
    expect(answered).toMatchObject({ type: "already", approval: { status: "expired" } });
    await sound(store);
  });
});
