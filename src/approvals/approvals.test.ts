import { describe, expect, it } from "vitest";
import { openRoom } from "../../test/support/approvals-room.ts";
import { askingRun, day, noon } from "../../test/support/sample-approvals.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";

const answeredBy = "tok_person";

describe("the approvals room", () => {
  it("lets a person approve, with the scope that the request proposes", async () => {
    const { room, store, workspaceId, resumed } = await openRoom();
    const { run, request } = await askingRun(store, workspaceId);
    const approved = await room.approve(workspaceId, request.request_id, {
      answeredBy,
      note: "ok",
    });
    expect(approved).toMatchObject({
      status: "approved",
      answer: { scope: "once", scope_expires_at: null, answered_by: answeredBy, note: "ok" },
    });
    expect(resumed).toEqual([run.runId]);
  });

  it("answers the first of two at the same time, and shows it to the second (G10)", async () => {
    const { room, store, workspaceId, resumed } = await openRoom();
    for (let round = 0; round < 20; round++) {
      const { request } = await askingRun(store, workspaceId, { call: `${round}` });
      const id = request.request_id;
      const both = [
        () => room.approve(workspaceId, id, { answeredBy }),
        () => room.deny(workspaceId, id, { answeredBy }),
      ];
      if (round % 2) both.reverse();
      const outcomes = await Promise.allSettled(both.map((answer) => answer()));
      const won = outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      const lost = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
      expect([won.length, lost.length]).toEqual([1, 1]);
      expect(lost[0]).toMatchObject({ code: "approval_answered", details: { approval: won[0] } });
      expect(await store.approvals.get(workspaceId, id)).toEqual(won[0]);
    }
    expect(resumed).toHaveLength(20);
  });

  it("refuses a scope that was not offered, and an expiry that is past, too far or no time at all", async () => {
    const { room, store, workspaceId } = await openRoom();
    const { request } = await askingRun(store, workspaceId, { scopes: ["once"] });
    const approve = (answer: object) =>
      room.approve(workspaceId, request.request_id, { answeredBy, ...answer });
    await expect(approve({ scope: "run" })).rejects.toMatchObject({
      code: "invalid_request",
      details: {
        problems: [{ path: "scope", message: "expected one of once", received: '"run"' }],
      },
    });
    for (const ms of [0, -1, limits.approvalScopeMaxMs + 1]) {
      const expiresAt = new Date(noon + ms).toISOString();
      await expect(approve({ expiresAt })).rejects.toMatchObject({
        code: "invalid_request",
        details: { problems: [{ path: "expiresAt", received: `"${expiresAt}"` }] },
      });
    }
    await expect(approve({ expiresAt: "soon" })).rejects.toMatchObject({ code: "invalid_request" });
    expect(await store.approvals.get(workspaceId, request.request_id)).toMatchObject({
      status: "pending",
    });
  });

  it("bounds what outlives a run to thirty days, and what a person says shorter or longer", async () => {
    const { room, store, workspaceId } = await openRoom();
    const expiresAt = new Date(noon + 5 * day).toISOString();
    const cases = [
      [{ scope: "run" }, null],
      [{ scope: "run", expiresAt }, expiresAt],
      [{ scope: "agent_revision" }, new Date(noon + limits.approvalScopeMs).toISOString()],
      [{ scope: "agent_revision", expiresAt }, expiresAt],
    ] as const;
    for (const [index, [answer, until]] of cases.entries()) {
      const { request } = await askingRun(store, workspaceId, { call: `${index}` });
      const approved = await room.approve(workspaceId, request.request_id, {
        ...answer,
        answeredBy,
      });
      expect(approved.answer).toMatchObject({ scope: answer.scope, scope_expires_at: until });
    }
  });

  it("is found by its exact id in its workspace, and by nothing else (G02 G06)", async () => {
    const { room, store, workspaceId } = await openRoom();
    const { request } = await askingRun(store, workspaceId);
    const id = request.request_id;
    const wide = String.fromCodePoint(...[...id].map((one) => 0xfee0 + (one.codePointAt(0) ?? 0)));
    const guesses = [
      ...["%", "_", "apr_%", `${id.slice(0, -1)}_`, `${id.slice(0, -1)}%`, "", "' or 1=1 --"],
      ...[id.toUpperCase(), `${id} `, ` ${id}`, `${id}\0`, `${id.slice(0, 8)}`, wide],
      id.normalize("NFD").replace("apr", "a\u0301pr"),
    ];
    const attempts = [
      ...guesses.map((guess) => [workspaceId, guess] as const),
      [newId("workspace"), id] as const,
      ["", id] as const,
      ["%", id] as const,
    ];
    for (const [workspace, guess] of attempts) {
      const by = { answeredBy };
      const revocation = { revokedBy: answeredBy };
      for (const attempt of [
        room.get(workspace, guess),
        room.approve(workspace, guess, by),
        room.deny(workspace, guess, by),
        room.revoke(workspace, guess, revocation),
      ]) {
        await expect(attempt).rejects.toMatchObject({ code: "not_found" });
      }
    }
    expect(await room.get(workspaceId, id)).toMatchObject({ status: "pending" });
    expect((await room.list(newId("workspace"), { limit: 10 })).approvals).toEqual([]);
  });

  it("remembers a refusal for a day, with its reason, and tells it to the model", async () => {
    const { room, store, workspaceId, clock } = await openRoom();
    const { request } = await askingRun(store, workspaceId);
    await room.deny(workspaceId, request.request_id, { answeredBy, reason: "Not that host" });
    const remembered = () => store.approvals.refusal(workspaceId, request.keys);
    const until = new Date(noon + limits.approvalRefusalMs).toISOString();
    expect(await remembered()).toEqual({ id: request.request_id, until, note: "Not that host" });
    expect(await store.approvals.refusal(newId("workspace"), request.keys)).toBeUndefined();
    clock.time += limits.approvalRefusalMs;
    expect(await remembered()).toBeUndefined();
  });

  it("tells whoever holds the network of a call when it is revoked, and only once (G03)", async () => {
    const { room, store, workspaceId, revoked } = await openRoom();
    const { request } = await askingRun(store, workspaceId);
    const id = request.request_id;
    const revocation = { revokedBy: answeredBy };
    await expect(room.revoke(workspaceId, id, revocation)).rejects.toMatchObject({
      code: "approval_answered",
      message: `Approval ${id} is pending, and only what is approved can be taken back`,
    });
    await room.approve(workspaceId, id, { answeredBy });
    const taken = await room.revoke(workspaceId, id, { ...revocation, reason: "Wrong" });
    expect(revoked).toEqual([taken]);
    await expect(room.revoke(workspaceId, id, revocation)).rejects.toMatchObject({
      code: "approval_answered",
    });
    expect(revoked).toHaveLength(1);
  });
});

describe("a request that was answered before it was asked", () => {
  const standing = { answeredBy, scope: "agent_revision" as const };

  it("gets its answer at the start, when a crash came between", async () => {
    const { room, store, workspaceId, resumed } = await openRoom();
    const first = await askingRun(store, workspaceId);
    await room.approve(workspaceId, first.request.request_id, standing);
    const { run, request } = await askingRun(store, workspaceId);
    expect(resumed).toEqual([first.run.runId]);
    await room.start();
    expect(resumed).toEqual([first.run.runId, run.runId]);
    expect(await room.get(workspaceId, request.request_id)).toMatchObject({
      ...{ status: "approved", answer: { answered_by: first.request.request_id } },
    });
  });

  it("gets its answer when it is told of, and one that has none stays a question", async () => {
    const { room, store, workspaceId, resumed, resumedRuns } = await openRoom();
    await room.start();
    const first = await askingRun(store, workspaceId);
    await room.approve(workspaceId, first.request.request_id, standing);
    const other = await askingRun(store, workspaceId, { call: "other" });
    const { run, request } = await askingRun(store, workspaceId);
    room.onRequested(other.request.request_id);
    room.onRequested(request.request_id);
    expect(await resumedRuns(2)).toEqual([first.run.runId, run.runId]);
    await room.close();
    expect(resumed).toHaveLength(2);
    expect(await room.get(workspaceId, other.request.request_id)).toMatchObject({
      status: "pending",
    });
  });
});

describe("the watch over what runs out", () => {
  it("sleeps until the next request runs out, resumes its run, and is woken by a sooner one", async () => {
    const { room, store, workspaceId, clock, sleeps, resumed, resumedRuns } = await openRoom();
    await room.start();
    expect((await sleeps.next()).ms).toBe(day);
    const soon = { expires_at: new Date(noon + 60_000).toISOString() };
    const { run, request } = await askingRun(store, workspaceId, soon);
    room.onRequested(request.request_id);
    const sleep = await sleeps.next();
    expect(sleep.ms).toBe(60_000);
    clock.time += 60_000;
    sleep.end();
    expect(await resumedRuns(1)).toEqual([run.runId]);
    expect((await sleeps.next()).ms).toBe(day);
    expect(await room.get(workspaceId, request.request_id)).toMatchObject({ status: "expired" });
    expect(resumed).toHaveLength(1);
  });

  it("is woken by an answer that reaches less far than anything else", async () => {
    const { room, store, workspaceId, sleeps } = await openRoom();
    const { request } = await askingRun(store, workspaceId);
    await room.start();
    expect((await sleeps.next()).ms).toBe(day);
    const expiresAt = new Date(noon + 60_000).toISOString();
    const answer = { answeredBy, scope: "agent_revision" as const, expiresAt };
    await room.approve(workspaceId, request.request_id, answer);
    expect((await sleeps.next()).ms).toBe(60_000);
  });

  it("lets run out at its start what ran out while no gateway was there", async () => {
    const { room, store, workspaceId, clock, resumed } = await openRoom();
    const { run } = await askingRun(store, workspaceId);
    clock.time += 31 * day;
    await room.start();
    expect(resumed).toEqual([run.runId]);
  });
});
