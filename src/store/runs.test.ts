import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  digestOf,
  finishedEvents,
  openSampleStore,
  replied,
  sampleRun,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { limits } from "../base/limits.ts";
import { newId } from "../contract/ids.ts";
import type { NewRun } from "./store.ts";

describe("submissions", () => {
  it("make one run out of fifty parallel ones with the same key (I10)", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const workspaceId = newId("workspace");
    const submit = () =>
      store.journal.submit(
        sampleRun({ workspaceId, idempotencyKey: "same", bodyHash: digestOf("b") }),
      );
    const outcomes = await Promise.all(Array.from({ length: 50 }, submit));
    expect(outcomes.filter((outcome) => outcome.type === "created")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome.type === "existing")).toHaveLength(49);
    const ids = outcomes.map((outcome) => "run" in outcome && outcome.run.id);
    expect(new Set(ids).size).toBe(1);
    expect((await store.runs.list(workspaceId, { limit: 10 })).runs).toHaveLength(1);
  });

  it("answer a key with another body, a deleted run and another workspace each in its way", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const run = await claimedRun(store, { idempotencyKey: "k" });
    const again = (over: Partial<NewRun>) =>
      store.journal.submit(
        sampleRun({ workspaceId: run.workspaceId, idempotencyKey: "k", ...over }),
      );
    expect(await again({ bodyHash: digestOf("other") })).toEqual({
      type: "conflict",
      existingRunId: run.runId,
    });
    expect(await again({ workspaceId: newId("workspace") })).toMatchObject({ type: "created" });
    await appendNext(store, run, finishedEvents());
    expect(await store.runs.delete(run.workspaceId, run.runId)).toBe("deleted");
    expect(await again({})).toEqual({ type: "deleted", runId: run.runId });
    expect(await again({ bodyHash: digestOf("other") })).toEqual({
      type: "deleted",
      runId: run.runId,
    });
    expect(await again({ idempotencyKey: null })).toMatchObject({ type: "created" });
  });

  it("are refused when the queue is full, but a repeated one still gets its run", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const workspaceId = newId("workspace");
    const first = sampleRun({ workspaceId, idempotencyKey: "first" });
    await store.journal.submit(first);
    for (let sent = 1; sent < limits.queuedRuns; sent += 500) {
      const size = Math.min(500, limits.queuedRuns - sent);
      await Promise.all(Array.from({ length: size }, () => store.journal.submit(sampleRun())));
    }
    expect(await store.journal.submit(sampleRun())).toEqual({
      type: "queue_full",
      queued: limits.queuedRuns,
    });
    expect(await store.journal.submit({ ...first, runId: newId("run") })).toMatchObject({
      type: "existing",
    });
    // A task was let in with its tree (weakness 33): it waits, and is not turned away.
    const parent = {
      ...{ run_id: first.runId, root_run_id: first.runId, call_id: newId("call"), depth: 1 },
      ...{ group: "default", policy: "all" as const, async: true },
    };
    const task = sampleRun({ workspaceId, parent });
    expect(await store.journal.submit(task)).toMatchObject({
      ...{ type: "created", run: { status: "queued" } },
    });
    await store.journal.claim(task.runId, store.epoch);
    await appendNext(store, task, startedEvents);
    await store.journal.claim(first.runId, store.epoch);
    await appendNext(store, first, startedEvents);
    expect(await store.journal.submit(sampleRun())).toMatchObject({ type: "created" });
  });
});

describe("runs", () => {
  it("show their place in the queue of the gateway, oldest first", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const [a, b, c] = [sampleRun(), sampleRun(), sampleRun()];
    for (const [index, run] of [a, b, c].entries()) {
      expect(await store.journal.submit(run)).toMatchObject({
        run: { status: "queued", queue: { position: index + 1 } },
      });
    }
    await store.journal.claim(a.runId, store.epoch);
    await appendNext(store, a, startedEvents);
    const position = async ({ workspaceId, runId }: NewRun) =>
      (await store.runs.get(workspaceId, runId))?.queue;
    expect(await position(a)).toBeNull();
    expect(await position(b)).toEqual({ position: 1 });
    expect(await position(c)).toEqual({ position: 2 });
    expect((await store.runs.list(c.workspaceId, { limit: 5 })).runs).toMatchObject([
      { id: c.runId, queue: { position: 2 } },
    ]);
    expect(await store.runs.unfinished()).toMatchObject([
      { runId: a.runId, status: "running" },
      { runId: b.runId, status: "queued" },
      { runId: c.runId, status: "queued" },
    ]);
  });

  it("show the last text as their reply once they have ended, and what was submitted always", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const run = await claimedRun(store);
    await appendNext(store, run, [...startedEvents, replied("The answer")]);
    const working = await store.runs.get(run.workspaceId, run.runId);
    expect(working).toMatchObject({
      reply: null,
      submission: run.snapshot,
      metadata: run.snapshot.metadata,
      usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15 },
    });
    await appendNext(store, run, finishedEvents());
    const ended = await store.runs.get(run.workspaceId, run.runId);
    expect(ended).toMatchObject({ reply: "The answer", stop_reason: "end_turn", queue: null });
  });

  it("are listed newest first, in pages that neither repeat nor skip while new ones come", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const workspaceId = newId("workspace");
    const made: string[] = [];
    for (let index = 0; index < 7; index++) {
      const run = sampleRun({ workspaceId });
      made.unshift(run.runId);
      await store.journal.submit(run);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.runs.list(workspaceId, { limit: 3, ...(cursor ? { cursor } : {}) });
      seen.push(...page.runs.map((run) => run.id));
      cursor = page.nextCursor;
      await store.journal.submit(sampleRun({ workspaceId }));
    } while (cursor);
    expect(seen).toEqual(made);
    const none = await store.runs.list(workspaceId, { limit: 3, status: ["failed"] });
    expect(none).toEqual({ runs: [] });
  });

  it("refuse a cursor that they did not make, by its name", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    for (const cursor of ["", "x", "MTpydW5f", Buffer.from("1:run_zz").toString("base64url")]) {
      await expect(store.runs.list("ws", { limit: 1, cursor })).rejects.toMatchObject({
        code: "invalid_request",
        message: expect.stringContaining("cursor"),
      });
    }
  });

  it("are not there for another workspace, in no way at all (I14)", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const mine = await claimedRun(store);
    await appendNext(store, mine, [
      {
        type: "outputs.captured",
        data: {
          partial: false,
          outputs: [
            {
              id: "out_1",
              path: "/o/a",
              name: "a",
              sha256: digestOf("a"),
              bytes: 1,
              contentType: "x",
            },
          ],
          missing: [],
        },
      },
      ...finishedEvents(),
    ]);
    const other = newId("workspace");
    const { runId } = mine;
    expect(await store.runs.get(other, runId)).toBeUndefined();
    expect(await store.runs.list(other, { limit: 10 })).toEqual({ runs: [] });
    expect(await store.files.outputs(other, runId)).toEqual([]);
    expect(await store.files.output(other, runId, "out_1")).toBeUndefined();
    expect(await store.runs.delete(other, runId)).toBe("not_found");
    expect(await store.runs.delete(mine.workspaceId, runId)).toBe("deleted");
    expect(await store.runs.wasDeleted(other, runId)).toBe(false);
    expect(await store.runs.wasDeleted(mine.workspaceId, runId)).toBe(true);
  });

  it("leave nothing behind when they are deleted but a tombstone, and only when they have ended", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const run = await claimedRun(store);
    const { workspaceId, runId } = run;
    expect(await store.runs.delete(workspaceId, runId)).toBe("not_finished");
    await appendNext(store, run, finishedEvents());
    expect(await store.runs.delete(workspaceId, runId)).toBe("deleted");
    expect(await store.runs.delete(workspaceId, runId)).toBe("not_found");
    expect(await store.journal.read(runId, 0, 10)).toEqual([]);
    expect(await store.files.content(runId)).toEqual([]);
    expect(await Array.fromAsync(store.files.referenced())).toEqual([]);
    expect(
      await store.journal.append(runId, { epoch: store.epoch, seq: 3 }, finishedEvents()),
    ).toEqual({ type: "fenced" });
    expect(await store.verify()).toMatchObject({ ok: true, runs: 0 });
  });

  it("are listed as uncleaned until their directories are gone, deleted or not", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const [kept, deleted] = [await claimedRun(store), await claimedRun(store)];
    const uid = await store.runs.takeUid(deleted.runId, { first: 1000, last: 1010 });
    for (const run of [kept, deleted])
      await appendNext(store, run, finishedEvents("failed_retryable"));
    await store.runs.delete(deleted.workspaceId, deleted.runId);
    expect(await store.runs.uncleaned()).toEqual([
      { runId: kept.runId, uid: null },
      { runId: deleted.runId, uid },
    ]);
    for (const run of [kept, deleted, kept]) await store.runs.markCleaned(run.runId);
    expect(await store.runs.uncleaned()).toEqual([]);
    expect(await store.runs.get(kept.workspaceId, kept.runId)).toMatchObject({
      cleanup_status: "succeeded",
      lastSeq: 4,
    });
  });

  it("whose directories are kept are told of, and are to be cleaned once they are deleted", async () => {
    const store = await openSampleStore(await tempDir("runs"));
    const run = await claimedRun(store);
    const uid = await store.runs.takeUid(run.runId, { first: 1000, last: 1010 });
    await appendNext(store, run, finishedEvents("skipped"));
    expect(await store.runs.uncleaned()).toEqual([]);
    expect(await store.runs.retained(run.workspaceId)).toEqual([run.runId]);
    expect(await store.runs.retained("wsp_another")).toEqual([]);
    expect(await store.runs.retained(null)).toEqual([run.runId]);
    await store.runs.delete(run.workspaceId, run.runId);
    expect(await store.runs.retained(null)).toEqual([]);
    expect(await store.runs.uncleaned()).toEqual([{ runId: run.runId, uid }]);
  });
});

describe("host uids", () => {
  const range = { first: 5000, last: 5003 };

  it("belong to one run each, the smallest free one first, and the group's number to none", async () => {
    const store = await openSampleStore(await tempDir("uids"));
    const runs = [];
    for (let index = 0; index < 4; index++) runs.push((await claimedRun(store)).runId);
    const [a = "", b = "", c = "", d = ""] = runs;
    const taken = await Promise.all([a, b, c].map((run) => store.runs.takeUid(run, range)));
    expect(taken).toEqual([5001, 5002, 5003]);
    expect(await store.runs.takeUid(b, range)).toBe(5002);
    await expect(store.runs.takeUid(d, range)).rejects.toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringContaining("5000-5003"),
    });
    await store.runs.freeUid(b);
    expect(await store.runs.takeUid(d, range)).toBe(5002);
  });

  it("come with the claim that begins a run, and go with the end that has removed its directories", async () => {
    const store = await openSampleStore(await tempDir("uids"));
    const [first, second] = [await claimedRun(store), await claimedRun(store)];
    const begin = (runId: string) => store.journal.claim(runId, store.epoch, { uids: range });
    const status = "provisioning";
    expect(await begin(first.runId)).toMatchObject({ uid: 5001, run: { status, lastSeq: 2 } });
    expect(await begin(first.runId)).toMatchObject({ uid: 5001, run: { lastSeq: 3 } });
    const types = (await store.journal.read(first.runId, 1, 10)).map(({ type }) => type);
    expect(types).toEqual(["run.started", "run.resumed"]);
    await appendNext(store, first, finishedEvents("succeeded"));
    expect(await begin(second.runId)).toMatchObject({ uid: 5001 });
  });

  it("stay with a deleted run until its directories are gone", async () => {
    const store = await openSampleStore(await tempDir("uids"));
    const [first, second] = [await claimedRun(store), await claimedRun(store)];
    expect(await store.runs.takeUid(first.runId, range)).toBe(5001);
    expect(await store.journal.claim(first.runId, store.epoch)).toMatchObject({ uid: 5001 });
    await appendNext(store, first, finishedEvents("failed_retryable"));
    await store.runs.delete(first.workspaceId, first.runId);
    expect(await store.runs.takeUid(second.runId, range)).toBe(5002);
  });
});
