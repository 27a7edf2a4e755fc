import { beforeEach, describe, expect, it } from "vitest";
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
import { ProxyCall, type ProxyCalled } from "../contract/proxy-call.ts";
import type { NewRun, Store } from "./store.ts";

let store: Store;
let run: NewRun;

beforeEach(async () => {
  store = await openSampleStore(await tempDir("proxy-accounts"));
  run = await claimedRun(store);
  await appendNext(store, run, startedEvents);
});

function reserve(calls: number, over: { id?: string; endpoint?: string; runId?: string } = {}) {
  const { runId, workspaceId } = run;
  const wanted = { id: newId("proxyCall"), runId, workspaceId, endpoint: "api", calls };
  return store.proxy.reserve({ ...wanted, ...over });
}

function settle(over: Partial<ProxyCalled>) {
  const event = proxyCalled(over);
  return store.journal.appendFromOutside(run.workspaceId, run.runId, () => event);
}

const used = (endpoint = "api") => store.proxy.used(run.runId, endpoint);

describe("the budget of an endpoint", () => {
  it("gives 50 who ask at once exactly the 10 calls there are", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => reserve(10)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(10);
    expect(await used()).toEqual({ calls: 10, bytes: 0 });
  });

  it("is of one endpoint and one run", async () => {
    expect(await reserve(1)).toEqual({ ok: true, used: { calls: 1, bytes: 0 } });
    expect(await reserve(1)).toEqual({ ok: false, used: { calls: 1, bytes: 0 } });
    expect(await reserve(1, { endpoint: "other" })).toMatchObject({ ok: true });
    const other = await claimedRun(store, { workspaceId: run.workspaceId });
    expect(await reserve(1, { runId: other.runId })).toMatchObject({ ok: true });
  });

  it("counts a call once, reserved or settled, and the bytes that it read", async () => {
    const id = newId("proxyCall");
    await reserve(2, { id });
    await store.proxy.sent(id);
    await settle({ id, response_bytes: 700 });
    expect(await used()).toEqual({ calls: 1, bytes: 700 });
    expect(await store.proxy.unsettled(run.runId)).toEqual([]);
    expect(await reserve(2)).toMatchObject({ ok: true, used: { calls: 2, bytes: 700 } });
    expect(await reserve(2)).toMatchObject({ ok: false });
  });

  it("charges a call that failed or was interrupted, and none that was denied", async () => {
    for (const outcome of ["failed", "interrupted", "denied"] as const) {
      const id = newId("proxyCall");
      await reserve(10, { id });
      if (outcome !== "denied") await store.proxy.sent(id);
      await settle({ id, outcome, status: null, response_bytes: 0 });
    }
    await settle({ outcome: "denied", error: "policy_denied", response_bytes: 0 });
    expect(await used()).toEqual({ calls: 2, bytes: 0 });
    expect(await store.verify()).toMatchObject({ ok: true });
  });

  it("gives back a call that was not sent, and never one that was", async () => {
    const [unsent, sent] = [newId("proxyCall"), newId("proxyCall")];
    await reserve(2, { id: unsent });
    await reserve(2, { id: sent });
    await store.proxy.sent(sent);
    await store.proxy.release(unsent);
    await store.proxy.release(sent);
    expect(await used()).toEqual({ calls: 1, bytes: 0 });
    await expect(settle({ id: sent, outcome: "denied" })).rejects.toThrow(/cannot be denied/);
    expect(await store.proxy.unsettled(run.runId)).toMatchObject([{ id: sent, sent: true }]);
    expect(await used()).toEqual({ calls: 1, bytes: 0 });
  });

  it("lets nothing be sent that is not reserved", async () => {
    const id = newId("proxyCall");
    await expect(store.proxy.sent(id)).rejects.toMatchObject({ code: "run_finished" });
    await reserve(1, { id });
    await store.proxy.release(id);
    await expect(store.proxy.sent(id)).rejects.toMatchObject({ code: "run_finished" });
  });

  it("counts a call once although it is settled twice", async () => {
    const id = newId("proxyCall");
    await reserve(5, { id });
    await settle({ id });
    await expect(settle({ id })).rejects.toThrow();
    expect(await used()).toEqual({ calls: 1, bytes: 40 });
    expect(await store.verify()).toMatchObject({ ok: true });
  });

  it("ends with the run, and no run of somebody else has one", async () => {
    const id = newId("proxyCall");
    await reserve(5, { id });
    await appendNext(store, run, finishedEvents());
    expect(await store.proxy.unsettled(run.runId)).toEqual([]);
    await expect(store.proxy.sent(id)).rejects.toMatchObject({ code: "run_finished" });
    await expect(reserve(5)).rejects.toMatchObject({ code: "run_finished" });
    const foreign = await claimedRun(store);
    await expect(reserve(5, { runId: foreign.runId })).rejects.toMatchObject({ code: "not_found" });
    await expect(reserve(5, { runId: newId("run") })).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("the list of a run's calls", () => {
  it("has every call as its event says, by pages, and goes with the run", async () => {
    const ids = Array.from({ length: 5 }, () => newId("proxyCall"));
    for (const id of ids) {
      await settle({ id, truncated: true, error: "exceeded_cap", call_id: newId("call") });
    }
    const first = await store.proxy.list(run.workspaceId, run.runId, { after: null, most: 3 });
    expect(first.more).toBe(true);
    const after = first.rows.at(-1)?.id ?? null;
    const rest = await store.proxy.list(run.workspaceId, run.runId, { after, most: 3 });
    expect(rest.more).toBe(false);
    expect([...first.rows, ...rest.rows].map(({ id }) => id)).toEqual(ids);
    expect(ProxyCall.parse(first.rows[0])).toMatchObject({
      ...{ runId: run.runId, endpointName: "api", door: "protocol", requestByteSize: 3 },
      ...{ responseStatus: 200, responseByteSize: 40, outcome: "ok", errorClass: "exceeded_cap" },
      ...{ truncated: true, redacted: false, modeClamped: false, durationMs: 12 },
      ...{ startedAt: "2026-11-20T12:00:00.000Z", finishedAt: "2026-11-20T12:00:00.012Z" },
    });
    await appendNext(store, run, finishedEvents());
    await store.runs.delete(run.workspaceId, run.runId);
    const gone = await store.proxy.list(run.workspaceId, run.runId, { after: null, most: 3 });
    expect(gone).toEqual({ rows: [], more: false });
    expect(await used()).toEqual({ calls: 0, bytes: 0 });
  });

  it("is empty for another workspace", async () => {
    await settle({});
    const page = { after: null, most: 10 };
    expect((await store.proxy.list(run.workspaceId, run.runId, page)).rows).toHaveLength(1);
    expect((await store.proxy.list(newId("workspace"), run.runId, page)).rows).toEqual([]);
  });
});
