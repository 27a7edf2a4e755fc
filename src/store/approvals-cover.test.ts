import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTick } from "node:timers/promises";
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
import {
  appendNext,
  claimedRun,
  finishedEvents,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import type { NewRun } from "./store.ts";

async function opened() {
  const clock = testClock();
  const dir = await tempDir("cover");
  const store = await openTimedStore(dir, clock);
  return { clock, dir, store, workspaceId: newId("workspace") };
}

type Opened = Awaited<ReturnType<typeof opened>>;

async function statusOf({ store, workspaceId }: Opened, id: string) {
  return (await store.approvals.get(workspaceId, id))?.status;
}

async function sound({ store }: Opened): Promise<void> {
  expect((await store.verify()).defects).toEqual([]);
}

describe("an answer", () => {
  it("with the scope of an agent's revision answers who else waits for the very same, in its workspace", async () => {
    const own = await opened();
    const { store, workspaceId } = own;
    const first = await askingRun(store, workspaceId);
    const same = await askingRun(store, workspaceId);
    const other = await askingRun(store, workspaceId, { call: "another" });
    const foreign = await askingRun(store, newId("workspace"));
    const standing = approval({ scope: "agent_revision", note: "Fine" });
    const answered = await store.approvals.answer(workspaceId, first.request.request_id, standing);
    expect(answered?.resumed).toEqual(
      [first, same].map(({ run }) => ({ runId: run.runId, workspaceId, rootRunId: run.runId })),
    );
    expect(await store.approvals.get(workspaceId, same.request.request_id)).toMatchObject({
      status: "approved",
      answer: { scope: "once", answered_by: first.request.request_id },
    });
    expect(await statusOf(own, other.request.request_id)).toBe("pending");
    const theirs = await store.approvals.get(foreign.run.workspaceId, foreign.request.request_id);
    expect(theirs?.status).toBe("pending");
    await appendNext(store, same.run, [started(same.request)]);
    await sound(own);
  });

  it("of once answers nobody else, and of a run only that run tree", async () => {
    const own = await opened();
    const { store, workspaceId } = own;
    for (const scope of ["once", "run"] as const) {
      const first = await askingRun(store, workspaceId, { call: scope });
      const second = await askingRun(store, workspaceId, { call: scope });
      const id = first.request.request_id;
      const answered = await store.approvals.answer(workspaceId, id, approval({ scope }));
      expect(answered?.resumed).toHaveLength(1);
      expect(await statusOf(own, second.request.request_id)).toBe("pending");
      const { runId } = first.run;
      const { keys } = first.request;
      const standing = await store.approvals.standing(workspaceId, runId, keys);
      expect(standing).toEqual(scope === "once" ? undefined : { id, scope });
      expect(await store.approvals.standing(workspaceId, second.run.runId, keys)).toBeUndefined();
      await appendNext(store, first.run, finishedEvents());
      expect(await store.approvals.standing(workspaceId, runId, keys)).toBeUndefined();
    }
    await sound(own);
  });

  it("of an artifact covers its program whatever the arguments, a refusal only the very same call", async () => {
    const own = await opened();
    const { store, workspaceId } = own;
    const scopes = { scopes: ["artifact" as const] };
    const ask = (call: string, program: string) =>
      askingRun(store, workspaceId, { call, program, ...scopes });
    const [one, two, foreign] = [await ask("a", "p"), await ask("b", "p"), await ask("a2", "q")];
    const scope = approval({ scope: "artifact" });
    await store.approvals.answer(workspaceId, one.request.request_id, scope);
    expect(await statusOf(own, two.request.request_id)).toBe("approved");
    expect(await statusOf(own, foreign.request.request_id)).toBe("pending");
    const [no, alike, same] = [await ask("c", "r"), await ask("d", "r"), await ask("c", "r")];
    await store.approvals.answer(workspaceId, no.request.request_id, refusal({ note: "No" }));
    expect(await statusOf(own, alike.request.request_id)).toBe("pending");
    expect(await store.approvals.get(workspaceId, same.request.request_id)).toMatchObject({
      status: "denied",
      answer: { answered_by: no.request.request_id, note: "No" },
    });
    expect(await store.approvals.refusal(workspaceId, alike.request.keys)).toMatchObject({
      id: no.request.request_id,
    });
    await sound(own);
  });

  it("reaches everybody, however many, and whom a crash kept it from is found again", async () => {
    const own = await opened();
    const { dir, clock, workspaceId } = own;
    let { store } = own;
    const ids: string[] = [];
    for (let index = 0; index < 450; index++) {
      ids.push((await askingRun(store, workspaceId)).request.request_id);
    }
    const [source = ""] = ids;
    const standing = approval({ scope: "agent_revision" });
    const answering = store.approvals.answer(workspaceId, source, standing);
    // Closing refuses every transaction that has not begun: what a crash would cut off.
    while ((await statusOf({ ...own, store }, source)) === "pending") await nextTick();
    await store.close();
    expect((await answering)?.type).toBe("answered");
    const db = new DatabaseSync(join(dir, "airlock.db"));
    const left = db.prepare("select count(*) as n from approvals where status = 'pending'").get();
    db.close();
    expect(Number(left?.n)).toBeGreaterThan(0);
    store = await openTimedStore(dir, clock);
    expect(await store.approvals.settle()).toHaveLength(Number(left?.n));
    expect(await store.approvals.settle()).toEqual([]);
    const { approvals } = await store.approvals.list(workspaceId, {
      status: "approved",
      limit: 999,
    });
    expect(approvals).toHaveLength(450);
    await sound({ ...own, store });
  });

  it.each([
    ["approved", approval({ scope: "run" })],
    ["approved", approval({ scope: "agent_revision" })],
    ["approved", approval({ scope: "artifact" })],
    ["denied", refusal()],
    ["pending", approval({ scope: "once" })],
  ])("is found at a start for who has asked since (%s)", async (status, answer) => {
    const own = await opened();
    const { store, workspaceId } = own;
    const { run, request } = await askingRun(store, workspaceId, { program: "p" });
    await store.approvals.answer(workspaceId, request.request_id, answer);
    const again = sampleRequest({ program: "p" }, run.runId);
    await appendNext(store, run, [requested(again)]);
    const alike = await askingRun(store, workspaceId, { program: "p", call: "alike" });
    await store.approvals.settle();
    await store.approvals.settle(alike.request.request_id);
    expect(await statusOf(own, again.request_id)).toBe(status);
    // Who said yes to a program said it of any arguments; who said no has not seen these.
    const isOfProgram = answer.scope === "artifact";
    expect(await statusOf(own, alike.request.request_id)).toBe(isOfProgram ? status : "pending");
    await sound(own);
  });

  it("is the newest of those that cover a request, whether yes or no", async () => {
    const own = await opened();
    const { clock, store, workspaceId } = own;
    const { run, request } = await askingRun(store, workspaceId);
    await store.approvals.answer(workspaceId, request.request_id, approval({ scope: "run" }));
    const settled = async () => {
      clock.time += 1000;
      const again = sampleRequest({}, run.runId);
      await appendNext(store, run, [requested(again)]);
      expect(await store.approvals.settle(again.request_id)).toHaveLength(1);
      return statusOf(own, again.request_id);
    };
    expect(await settled()).toBe("approved");
    clock.time += 1000;
    // In another run the same is refused: from then on it is not allowed here without a new question.
    const elsewhere = await askingRun(store, workspaceId);
    await store.approvals.answer(workspaceId, elsewhere.request.request_id, refusal());
    expect(await settled()).toBe("denied");
    clock.time += 1000;
    const anew = sampleRequest({}, run.runId);
    await appendNext(store, run, [requested(anew)]);
    await store.approvals.answer(workspaceId, anew.request_id, approval({ scope: "run" }));
    expect(await settled()).toBe("approved");
    await sound(own);
  });

  it("that was given in the moment of a new request is found for it", async () => {
    const own = await opened();
    const { store, workspaceId } = own;
    const first = await askingRun(store, workspaceId);
    const standing = approval({ scope: "agent_revision" });
    await store.approvals.answer(workspaceId, first.request.request_id, standing);
    const late = await askingRun(store, workspaceId);
    const id = late.request.request_id;
    expect(await store.approvals.settle(id)).toEqual([
      { runId: late.run.runId, workspaceId, rootRunId: late.run.runId },
    ]);
    expect(await statusOf(own, id)).toBe("approved");
    expect(await store.approvals.settle(id)).toEqual([]);
    await sound(own);
  });
});

describe("time", () => {
  it("ends a standing approval, and a clock that is set back does not bring it back (G11)", async () => {
    const own = await opened();
    const { clock, dir, workspaceId } = own;
    let { store } = own;
    const { run, request } = await askingRun(store, workspaceId);
    const until = new Date(noon + day).toISOString().replace(".000", "");
    const standing = approval({ scope: "agent_revision", scopeExpiresAt: until });
    await store.approvals.answer(workspaceId, request.request_id, standing);
    const inForce = () => store.approvals.standing(workspaceId, "", request.keys);
    clock.time = noon + day - 1;
    expect(await inForce()).toMatchObject({ id: request.request_id });
    expect(await store.approvals.nextExpiry()).toBe(noon + day);
    clock.time = noon + day;
    expect(await inForce()).toBeUndefined();
    clock.time = noon;
    expect(await inForce()).toBeUndefined();
    await store.approvals.expire();
    expect(await store.approvals.nextExpiry()).toBeUndefined();
    await store.close();
    store = await openTimedStore(dir, clock);
    expect(await inForce()).toBeUndefined();
    // The new gateway has never seen the time at which it ran out: it was written down.
    await store.journal.claim(run.runId, store.epoch);
    await expect(appendNext(store, run, [started(request)])).rejects.toMatchObject({
      reason: "out_of_time",
    });
    await sound({ ...own, store });
  });

  it("that a clock has passed and was set back from lets no call start by it (G11)", async () => {
    const own = await opened();
    const { clock, store, workspaceId } = own;
    const scopeExpiresAt = new Date(noon + 1000).toISOString();
    const inRun = approval({ scope: "run", scopeExpiresAt });
    const [asking, standing] = [
      await askingRun(store, workspaceId),
      await askingRun(store, workspaceId),
    ];
    for (const { request } of [asking, standing]) {
      await store.approvals.answer(workspaceId, request.request_id, inRun);
    }
    clock.time = noon + 1000;
    // Whoever looks at the clock now has seen it: here another run, by any event.
    await appendNext(store, await claimedRun(store), startedEvents);
    clock.time = noon;
    const byStanding = {
      ...{ call_id: "call_2", tool: "x", decision: "allow" as const, rule: "standing" },
      approval: standing.request.request_id,
    };
    const attempts: [NewRun, NewEvent][] = [
      [asking.run, started(asking.request)],
      [standing.run, { type: "call.decided", data: byStanding }],
    ];
    for (const [run, event] of attempts) {
      await expect(appendNext(store, run, [event])).rejects.toMatchObject({
        ...{ name: "ApprovalUnusable", reason: "out_of_time" },
      });
    }
    await sound(own);
  });

  it("that is over when the answer comes makes it expired, whatever the answer (G11)", async () => {
    const own = await opened();
    const { clock, store, workspaceId } = own;
    const { run, request } = await askingRun(store, workspaceId);
    const other = await askingRun(store, workspaceId);
    clock.time += 30 * day;
    const answered = await store.approvals.answer(workspaceId, request.request_id, approval());
    expect(answered).toMatchObject({
      type: "already",
      approval: { status: "expired", answer: { answered_by: null } },
      resumed: [{ runId: run.runId }],
    });
    clock.time -= 2 * day;
    const late = await store.approvals.answer(workspaceId, other.request.request_id, approval());
    expect(late).toMatchObject({ type: "already", approval: { status: "expired" } });
    await sound(own);
  });

  it("lets an approval allow no call that its scope does not reach", async () => {
    const own = await opened();
    const { store, workspaceId } = own;
    const tried = (run: NewRun, id: string) => {
      const call = { call_id: newId("call"), tool: "x", decision: "allow" as const, rule: "x" };
      return appendNext(store, run, [{ type: "call.decided", data: { ...call, approval: id } }]);
    };
    const other = await claimedRun(store, { workspaceId });
    await appendNext(store, other, startedEvents);
    for (const scope of ["once", "run", "agent_revision"] as const) {
      const { run, request } = await askingRun(store, workspaceId, { call: scope });
      const id = request.request_id;
      await store.approvals.answer(workspaceId, id, approval({ scope }));
      const refused = { name: "ApprovalUnusable", reason: "other_call" };
      if (scope === "once") await expect(tried(run, id)).rejects.toMatchObject(refused);
      else await tried(run, id);
      if (scope === "agent_revision") await tried(other, id);
      else await expect(tried(other, id)).rejects.toMatchObject(refused);
    }
    await sound(own);
  });

  it("lets a standing approval that is revoked or foreign allow nothing", async () => {
    const own = await opened();
    const { store, workspaceId } = own;
    const { request, run } = await askingRun(store, workspaceId);
    const id = request.request_id;
    await store.approvals.answer(workspaceId, id, approval({ scope: "agent_revision" }));
    const decided = (approvalId: string) =>
      appendNext(store, run, [
        {
          type: "call.decided",
          data: {
            ...{ call_id: "call_2", tool: "x", decision: "allow", rule: "standing" },
            approval: approvalId,
          },
        },
      ]);
    await decided(id);
    const foreign = await askingRun(store, newId("workspace"));
    const theirs = foreign.request.request_id;
    const forAll = approval({ scope: "agent_revision" });
    await store.approvals.answer(foreign.run.workspaceId, theirs, forAll);
    await expect(decided(theirs)).rejects.toMatchObject({ reason: "not_found" });
    await store.approvals.revoke(workspaceId, id, { revokedBy: "tok_1", reason: null });
    await expect(decided(id)).rejects.toMatchObject({ reason: "revoked" });
    await sound(own);
  });
});
