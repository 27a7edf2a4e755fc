import { describe, expect, it } from "vitest";
import { openRoom } from "../../test/support/approvals-room.ts";
import { approval, askingRun, day, noon, started } from "../../test/support/sample-approvals.ts";
import { appendNext, finishedEvents } from "../../test/support/sample-store.ts";
import { limits } from "../base/limits.ts";

const answeredBy = "tok_person";
const revokedBy = "tok_other";

/** A room with one request that waits. */
async function asked(over: Parameters<typeof askingRun>[2] = {}) {
  const opened = await openRoom();
  const { run, request } = await askingRun(opened.store, opened.workspaceId, over);
  return { ...opened, run, id: request.request_id, request };
}

describe("an answer that cannot be given", () => {
  it("says since when there is another, and shows it", async () => {
    const { room, workspaceId, id, clock } = await asked();
    clock.time += 1_000;
    const first = await room.deny(workspaceId, id, { answeredBy, reason: "No" });
    clock.time += 1_000;
    const message = `Approval ${id} is denied since ${new Date(noon + 1_000).toISOString()}`;
    for (const again of [room.approve, room.deny]) {
      await expect(again(workspaceId, id, { answeredBy: revokedBy })).rejects.toMatchObject({
        ...{ code: "approval_answered", message, details: { approval: first } },
      });
    }
  });

  it("says that the time is over when it is", async () => {
    const { room, workspaceId, id, clock } = await asked();
    clock.time += 31 * day;
    await room.start();
    const late = { code: "approval_answered", message: expect.stringContaining("is expired") };
    await expect(room.approve(workspaceId, id, { answeredBy })).rejects.toMatchObject(late);
    await expect(room.deny(workspaceId, id, { answeredBy })).rejects.toMatchObject(late);
  });

  it("names the request that is not there, its first characters at most", async () => {
    const { room, workspaceId } = await openRoom();
    const get = (id: string) => room.get(workspaceId, id);
    await expect(get('a"b')).rejects.toMatchObject({ message: 'There is no approval "a\\"b"' });
    await expect(get("x".repeat(100))).rejects.toMatchObject({
      message: `There is no approval "${"x".repeat(64)}"`,
    });
  });

  it("says which scopes there are, and which times", async () => {
    const { room, workspaceId, id } = await asked({ scopes: ["once", "run"] });
    const approve = (answer: object) => room.approve(workspaceId, id, { answeredBy, ...answer });
    await expect(approve({ scope: "artifact" })).rejects.toMatchObject({
      message: 'Cannot use scope "artifact": expected one of once, run',
    });
    const iso = (ms: number) => new Date(noon + ms).toISOString();
    const expected = `expected a time after ${iso(0)} and before ${iso(limits.approvalScopeMaxMs)}`;
    await expect(approve({ expiresAt: iso(-day) })).rejects.toMatchObject({
      message: `Cannot use expiresAt "${iso(-day)}": ${expected}`,
    });
    await expect(approve({ expiresAt: "x".repeat(70) })).rejects.toMatchObject({
      message: `Cannot use expiresAt "${"x".repeat(64)}": ${expected}`,
      details: {
        problems: [{ path: "expiresAt", message: expected, received: `"${"x".repeat(64)}"` }],
      },
    });
  });

  it("takes the last moment that is allowed, and the first", async () => {
    for (const ms of [1, limits.approvalScopeMaxMs]) {
      const { room, workspaceId, id } = await asked();
      const expiresAt = new Date(noon + ms).toISOString();
      const { answer } = await room.approve(workspaceId, id, {
        answeredBy,
        scope: "run",
        expiresAt,
      });
      expect(answer).toMatchObject({ scope_expires_at: expiresAt });
    }
  });
});

describe("an approval that cannot be taken back", () => {
  it("is one that was taken back already, and its time is told", async () => {
    const { room, workspaceId, id, clock, revoked } = await asked();
    await room.approve(workspaceId, id, { answeredBy });
    clock.time += 1_000;
    const taken = await room.revoke(workspaceId, id, { revokedBy, reason: "Wrong host" });
    const message = `Approval ${id} was taken back already, at ${new Date(noon + 1_000).toISOString()}`;
    await expect(room.revoke(workspaceId, id, { revokedBy })).rejects.toMatchObject({
      ...{ code: "approval_answered", message, details: { approval: taken } },
    });
    expect(revoked).toEqual([taken]);
  });

  it("is one that was denied, and one for a single call of a run that is over", async () => {
    const denied = await asked();
    await denied.room.deny(denied.workspaceId, denied.id, { answeredBy });
    await expect(
      denied.room.revoke(denied.workspaceId, denied.id, { revokedBy }),
    ).rejects.toMatchObject({
      message: `Approval ${denied.id} is denied, and only what is approved can be taken back`,
    });
    const { room, store, workspaceId, run, id, request, revoked } = await asked();
    await store.approvals.answer(workspaceId, id, approval());
    await appendNext(store, run, [started(request)]);
    await appendNext(store, run, finishedEvents());
    await expect(room.revoke(workspaceId, id, { revokedBy })).rejects.toMatchObject({
      code: "approval_answered",
      message: `Approval ${id} was for one call of sandbox_exec, whose run is over`,
    });
    expect(revoked).toEqual([]);
  });
});

describe("the room", () => {
  it("tells nobody to go on when nobody was waiting for it", async () => {
    const { room, workspaceId, resumed } = await openRoom();
    await room.start();
    expect((await room.list(workspaceId, { limit: 10 })).approvals).toEqual([]);
    room.onRequested("apr_nothing");
    await room.close();
    expect(resumed).toEqual([]);
  });

  it("shows a request with no approval before it, with nothing to compare", async () => {
    const { room, workspaceId, id } = await asked();
    expect(await room.get(workspaceId, id)).toMatchObject({
      sinceApproved: null,
      status: "pending",
    });
  });

  it("keeps the note of an answer, or says that there is none", async () => {
    const first = await asked();
    const noted = await first.room.deny(first.workspaceId, first.id, { answeredBy, reason: "Why" });
    expect(noted.answer).toMatchObject({ note: "Why", scope: null, scope_expires_at: null });
    const second = await asked();
    const plain = await second.room.deny(second.workspaceId, second.id, { answeredBy });
    expect(plain).toMatchObject({
      status: "denied",
      answer: { note: null, answered_by: answeredBy },
    });
    const third = await asked();
    const approved = await third.room.approve(third.workspaceId, third.id, { answeredBy });
    expect(approved.answer).toMatchObject({ note: null });
  });
});
