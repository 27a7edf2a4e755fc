import { describe, expect, it } from "vitest";
import {
  approval,
  askingRun,
  noon,
  openTimedStore,
  refusal,
  requested,
  sampleRequest,
  testClock,
} from "../../test/support/sample-approvals.ts";
import {
  appendNext,
  claimedRun,
  digestOf,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { limits } from "../base/limits.ts";
import type { Approval, ApprovalStatus } from "../contract/approval.ts";
import { newId } from "../contract/ids.ts";
import type { Store } from "./store.ts";

async function opened() {
  const clock = testClock();
  const store = await openTimedStore(await tempDir("approvals"), clock);
  return { clock, store, workspaceId: newId("workspace") };
}

/** Every page, one after the other. */
async function pages(
  store: Store,
  workspaceId: string,
  filter: { status?: ApprovalStatus; limit: number },
): Promise<Approval[][]> {
  const all: Approval[][] = [];
  for (let cursor: string | undefined; ; ) {
    const at = cursor === undefined ? {} : { cursor };
    const page = await store.approvals.list(workspaceId, { ...filter, ...at });
    all.push(page.approvals);
    if (page.nextCursor === undefined) return all;
    cursor = page.nextCursor;
  }
}

const idsOf = (approvals: Approval[]) => approvals.map(({ id }) => id);

describe("the list of approvals", () => {
  it("has the pending ones oldest first and others newest first, each once, over pages of any size", async () => {
    const { clock, store, workspaceId } = await opened();
    const asked: string[] = [];
    for (let n = 0; n < 12; n++) {
      // Three of each time: a page may end between them.
      clock.time = noon + Math.floor(n / 3);
      asked.push((await askingRun(store, workspaceId, { call: `${n}` })).request.request_id);
    }
    const oldest = idsOf(
      (await pages(store, workspaceId, { status: "pending", limit: 99 })).flat(),
    );
    const newest = idsOf((await pages(store, workspaceId, { limit: 99 })).flat());
    expect([...oldest].sort()).toEqual([...asked].sort());
    expect(newest).toEqual([...oldest].reverse());
    for (const limit of [1, 2, 5, 11, 12]) {
      const pending = await pages(store, workspaceId, { status: "pending", limit });
      expect(pending).toHaveLength(Math.ceil(12 / limit));
      expect(idsOf(pending.flat())).toEqual(oldest);
      expect(idsOf((await pages(store, workspaceId, { limit })).flat())).toEqual(newest);
    }
  });

  it("has those of one status only, and of one workspace", async () => {
    const { store, workspaceId } = await opened();
    const [yes, no, open] = [
      await askingRun(store, workspaceId, { call: "yes" }),
      await askingRun(store, workspaceId, { call: "no" }),
      await askingRun(store, workspaceId, { call: "open" }),
    ];
    await askingRun(store, newId("workspace"));
    await store.approvals.answer(workspaceId, yes.request.request_id, approval());
    await store.approvals.answer(workspaceId, no.request.request_id, refusal());
    const listed = async (status: ApprovalStatus) =>
      idsOf((await store.approvals.list(workspaceId, { status, limit: 9 })).approvals);
    expect(await listed("approved")).toEqual([yes.request.request_id]);
    expect(await listed("denied")).toEqual([no.request.request_id]);
    expect(await listed("pending")).toEqual([open.request.request_id]);
    expect(await listed("expired")).toEqual([]);
    expect((await store.approvals.list(workspaceId, { limit: 9 })).approvals).toHaveLength(3);
  });

  it("shows a hundred identical questions as one, the oldest, and counts them (G13)", async () => {
    const { clock, store, workspaceId } = await opened();
    const ids: string[] = [];
    for (let n = 0; n < 100; n++) {
      clock.time = noon + n;
      ids.push((await askingRun(store, workspaceId)).request.request_id);
    }
    const other = await askingRun(store, workspaceId, { call: "other" });
    const listed = (await pages(store, workspaceId, { status: "pending", limit: 1 })).flat();
    expect(listed.map(({ id, identical }) => [id, identical])).toEqual([
      [ids[0], 100],
      [other.request.request_id, 1],
    ]);
    const [first = ""] = ids;
    await store.approvals.answer(workspaceId, first, approval());
    const [next] = (await store.approvals.list(workspaceId, { status: "pending", limit: 1 }))
      .approvals;
    expect(next).toMatchObject({ id: ids[1], identical: 99 });
    expect(await store.approvals.get(workspaceId, first)).toMatchObject({ identical: 1 });
    // One refusal answers all that are left.
    await store.approvals.answer(workspaceId, ids[1] ?? "", refusal());
    expect(
      idsOf((await pages(store, workspaceId, { status: "pending", limit: 9 })).flat()),
    ).toEqual([other.request.request_id]);
  });

  it("goes on where a page ended when what is before was answered meanwhile", async () => {
    const { clock, store, workspaceId } = await opened();
    for (let n = 0; n < 4; n++) {
      clock.time = noon + n;
      await askingRun(store, workspaceId, { call: `${n}` });
    }
    const all = idsOf((await pages(store, workspaceId, { status: "pending", limit: 9 })).flat());
    const filter = { status: "pending" as const, limit: 2 };
    const first = await store.approvals.list(workspaceId, filter);
    for (const id of idsOf(first.approvals)) {
      await store.approvals.answer(workspaceId, id, approval());
    }
    const second = await store.approvals.list(workspaceId, {
      ...filter,
      cursor: first.nextCursor ?? "",
    });
    expect(idsOf(second.approvals)).toEqual(all.slice(2));
  });

  it("has pages that are bounded in bytes, whatever the requests hold", async () => {
    const { store, workspaceId } = await opened();
    const text = "x".repeat(limits.pageBytes / 3);
    for (let n = 0; n < 5; n++) {
      await askingRun(store, workspaceId, { call: `${n}`, intent: text });
    }
    const found = await pages(store, workspaceId, { limit: 100 });
    expect(found.flat()).toHaveLength(5);
    expect(Math.max(...found.map((page) => page.length))).toBe(2);
  });

  it("refuses a cursor that it did not make", async () => {
    const { store, workspaceId } = await opened();
    const { request } = await askingRun(store, workspaceId);
    const made = (text: string) => Buffer.from(text).toString("base64url");
    const time = new Date(noon).toISOString();
    const cursors = [
      ...["", "x", "%", made("1:"), made(`1:${time}`), made(`2:${time} ${request.request_id}`)],
      ...[made(`1:noon ${request.request_id}`), made(`1:${time} run_1`)],
      ...[`${made(`1:${time} ${request.request_id}`)}=`, made(`1:${time} ' OR 1=1 --`)],
    ];
    for (const cursor of cursors) {
      const list = store.approvals.list(workspaceId, { limit: 1, cursor });
      await expect(list).rejects.toMatchObject({
        code: "invalid_request",
        details: { problems: [{ path: "cursor" }] },
      });
    }
  });
});

describe("the preview of a scope", () => {
  it("counts the other requests that it would have covered, and no others'", async () => {
    const { clock, store, workspaceId } = await opened();
    const scopes = ["artifact", "once", "run", "agent_revision"] as const;
    const program = { program: "p", scopes: [...scopes] };
    const own = await askingRun(store, workspaceId, { call: "a", ...program });
    const counts = async () => {
      const found = await store.approvals.get(workspaceId, own.request.request_id);
      const previews = found ? await store.approvals.previews(workspaceId, found) : [];
      return Object.fromEntries(previews.map(({ scope, count }) => [scope, count]));
    };
    expect(await counts()).toEqual({ artifact: 0, once: 0, run: 0, agent_revision: 0 });
    clock.time += 1;
    const same = await askingRun(store, workspaceId, { call: "a", ...program });
    await askingRun(store, workspaceId, { call: "b", ...program });
    await askingRun(store, workspaceId, { call: "a2", program: "q" });
    await askingRun(store, newId("workspace"), { call: "a", ...program });
    await store.approvals.answer(workspaceId, same.request.request_id, refusal());
    expect(await counts()).toEqual({ artifact: 2, once: 0, run: 0, agent_revision: 1 });
    // The very same call of the same run asks again.
    const { run, request } = own;
    await store.approvals.answer(workspaceId, request.request_id, approval());
    const again = sampleRequest({ call: "a", ...program }, run.runId);
    await appendNext(store, run, [requested(again)]);
    expect(await counts()).toEqual({ artifact: 3, once: 0, run: 1, agent_revision: 2 });
  });

  it("shows the newest twenty, newest first, and counts all", async () => {
    const { clock, store, workspaceId } = await opened();
    const asked: { approvalId: string; runId: string; callId: string; requestedAt: string }[] = [];
    for (let n = 0; n < 25; n++) {
      clock.time = noon + n;
      const { run, request } = await askingRun(store, workspaceId);
      const at = { runId: run.runId, callId: request.call_id };
      const requestedAt = new Date(clock.time).toISOString();
      asked.unshift({ approvalId: request.request_id, ...at, requestedAt });
    }
    const [newest, ...others] = asked;
    const found = await store.approvals.get(workspaceId, newest?.approvalId ?? "");
    const previews = found ? await store.approvals.previews(workspaceId, found) : [];
    const preview = previews.find(({ scope }) => scope === "agent_revision");
    expect(preview?.count).toBe(24);
    expect(preview?.calls).toEqual(
      others.slice(0, 20).map((call) => ({ ...call, summary: "Wants to fetch" })),
    );
  });
});

describe("what was approved last", () => {
  it("is the newest yes before to the same agent and tool in the same workspace", async () => {
    const { clock, store, workspaceId } = await opened();
    const ask = async (over: Parameters<typeof askingRun>[2], workspace = workspaceId) => {
      clock.time += 1;
      return (await askingRun(store, workspace, over)).request.request_id;
    };
    const agent = { id: "planner.default", revision: digestOf("one") };
    const yes = async (id: string, workspace = workspaceId) => {
      await store.approvals.answer(workspace, id, approval());
      return id;
    };
    const last = async (id: string) => {
      const found = await store.approvals.get(workspaceId, id);
      return found && (await store.approvals.lastApproved(workspaceId, found))?.id;
    };
    const first = await yes(await ask({ agent, call: "1" }));
    // The same agent is told by its name, whatever its revision.
    const second = await yes(
      await ask({ agent: { ...agent, revision: digestOf("two") }, call: "2" }),
    );
    await yes(await ask({ agent: { ...agent, id: "other" }, call: "3" }));
    await yes(await ask({ agent, call: "4", program: "p" }));
    const elsewhere = newId("workspace");
    await yes(await ask({ agent, call: "5" }, elsewhere), elsewhere);
    await store.approvals.answer(workspaceId, await ask({ agent, call: "6" }), refusal());
    const now = await ask({ agent, call: "7" });
    await yes(await ask({ agent, call: "8" }));
    expect(await last(now)).toBe(second);
    expect(await last(second)).toBe(first);
    expect(await last(first)).toBeUndefined();
    // Without a name an agent is its revision.
    const unnamed = { id: null, revision: digestOf("inline") };
    const inline = await yes(await ask({ agent: unnamed, call: "9" }));
    const other = { id: null, revision: digestOf("other inline") };
    expect(await last(await ask({ agent: unnamed, call: "10" }))).toBe(inline);
    expect(await last(await ask({ agent: other, call: "11" }))).toBeUndefined();
  });
});

describe("how often a run tree has asked", () => {
  it("is counted from a time on, and for that tree only (G13)", async () => {
    const { clock, store, workspaceId } = await opened();
    const run = await claimedRun(store, { workspaceId });
    const first = sampleRequest({ call: "1" }, run.runId);
    await appendNext(store, run, [...startedEvents, requested(first)]);
    await store.approvals.answer(workspaceId, first.request_id, approval());
    clock.time += 1_000;
    await appendNext(store, run, [requested(sampleRequest({ call: "2" }, run.runId))]);
    await askingRun(store, workspaceId);
    const asked = (ms: number) =>
      store.approvals.askedSince(run.runId, new Date(noon + ms).toISOString());
    expect([await asked(0), await asked(1), await asked(1_000), await asked(1_001)]).toEqual([
      ...[2, 1, 1, 0],
    ]);
    expect(await store.approvals.askedSince(newId("run"), "")).toBe(0);
  });
});
