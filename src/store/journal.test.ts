import { createHash } from "node:crypto";
import diagnostics from "node:diagnostics_channel";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  appendNext,
  callFinished,
  claimedRun,
  digestOf,
  finishedEvents,
  openSampleStore,
  replied,
  sampleRun,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import type { NewEvent } from "../contract/event.ts";

const cancel: NewEvent = { type: "run.cancel_requested", data: { requested_by: "tok_1" } };

describe("the journal", () => {
  it("chains every event as its documentation says, so that anybody can check it", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const run = await claimedRun(store);
    await appendNext(store, run, [...startedEvents, replied("naïve \u{1f600} \0 \ud800")]);
    const events = await store.journal.read(run.runId, 0, 100);
    let previous = sha256(`airlock journal ${run.runId}`);
    for (const { runId, seq, time, type, data, hash } of events) {
      expect(hash).toBe(sha256(`${previous}\n${canonicalJson({ runId, seq, time, type, data })}`));
      expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      previous = hash;
    }
    expect(events).toHaveLength(4);
  });

  it("lets only the worker of the newest claim append (I4)", async () => {
    const dir = await tempDir("journal");
    const first = await openSampleStore(dir);
    const run = await claimedRun(first);
    const old = first.epoch;
    await first.close();
    const store = await openSampleStore(dir);
    const lease = await store.journal.claim(run.runId, store.epoch);
    expect(lease).toMatchObject({ epoch: old + 1, uid: null, run: { id: run.runId, lastSeq: 1 } });
    const zombie = await store.journal.append(run.runId, { epoch: old, seq: 1 }, startedEvents);
    expect(zombie).toEqual({ type: "fenced" });
    expect(await store.journal.claim(run.runId, old)).toBeUndefined();
    expect((await store.journal.read(run.runId, 0, 10)).length).toBe(1);
    const fence = { epoch: store.epoch, seq: 1 };
    expect(await store.journal.append(run.runId, fence, startedEvents)).toMatchObject({
      type: "appended",
      events: [{ seq: 2 }, { seq: 3 }],
    });
  });

  it("lets one of many appends with the same sequence in, and tells the others how far it is", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const run = await claimedRun(store);
    const fence = { epoch: store.epoch, seq: 1 };
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => store.journal.append(run.runId, fence, startedEvents)),
    );
    expect(outcomes.filter((outcome) => outcome.type === "appended")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome.type === "behind")).toEqual(
      Array(9).fill({ type: "behind", lastSeq: 3 }),
    );
  });

  it("takes a cancellation from outside, which the worker then has to read first", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const run = await claimedRun(store);
    const { workspaceId, runId } = run;
    const cancelled = await store.journal.appendFromOutside(workspaceId, runId, () => cancel);
    expect(cancelled).toMatchObject({ run: { lastSeq: 2 }, event: { seq: 2, ...cancel } });
    const fence = { epoch: store.epoch, seq: 1 };
    const behind = await store.journal.append(runId, fence, startedEvents);
    expect(behind).toEqual({ type: "behind", lastSeq: 2 });
    const again = await store.journal.appendFromOutside(workspaceId, runId, (seen) => {
      expect(seen.lastSeq).toBe(2);
      return null;
    });
    expect(again).toMatchObject({ run: { lastSeq: 2 }, event: null });
    const stranger = sampleRun().workspaceId;
    expect(await store.journal.appendFromOutside(stranger, runId, () => cancel)).toBeUndefined();
    expect(await store.journal.read(runId, 1, 10)).toEqual([cancelled?.event]);
  });

  it("lets nothing follow the end but the cleaning", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const run = await claimedRun(store);
    await appendNext(store, run, [...startedEvents, ...finishedEvents("failed_retryable")]);
    const fence = { epoch: store.epoch, seq: 5 };
    expect(await store.journal.append(run.runId, fence, [callFinished()])).toEqual({
      type: "fenced",
    });
    expect(await store.journal.claim(run.runId, store.epoch)).toBeUndefined();
    await expect(
      store.journal.appendFromOutside(run.workspaceId, run.runId, () => cancel),
    ).rejects.toThrow("has ended");
    await expect(
      appendNext(store, await claimedRun(store), [...finishedEvents(), callFinished()]),
    ).rejects.toThrow("has ended");
    await appendNext(store, run, [{ type: "run.cleaned", data: { cleanup_status: "succeeded" } }]);
    const ended = await store.runs.get(run.workspaceId, run.runId);
    expect(ended).toMatchObject({ status: "succeeded", cleanup_status: "succeeded", lastSeq: 6 });
  });

  it("appends all events of one append or none", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const run = await claimedRun(store);
    const bad = callFinished({ result: { size: Number.NaN } });
    await expect(appendNext(store, run, [...startedEvents, bad])).rejects.toThrow("NaN");
    expect(await store.journal.read(run.runId, 0, 10)).toHaveLength(1);
    expect(await store.runs.get(run.workspaceId, run.runId)).toMatchObject({ status: "queued" });
  });

  it("tells followers after the commit, in order, until they stop", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const run = await claimedRun(store);
    const seen: [string, number][] = [];
    const listen = (message: unknown) => {
      const { runId, seq, type } = message as { runId: string; seq: number; type: string };
      if (runId === run.runId) seen.push([type, seq]);
    };
    diagnostics.subscribe("airlock:journal.committed", listen);
    onTestFinished(() => {
      diagnostics.unsubscribe("airlock:journal.committed", listen);
    });
    store.journal.onAppend(run.runId, () => {
      throw new RangeError("a broken listener");
    });
    const stop = store.journal.onAppend(run.runId, (lastSeq) => seen.push(["follower", lastSeq]));
    await appendNext(store, run, startedEvents);
    expect(seen).toEqual([
      ["run.started", 2],
      ["run.provisioned", 3],
      ["follower", 3],
    ]);
    stop();
    await appendNext(store, run, finishedEvents("failed_retryable"));
    await store.runs.markCleaned(run.runId);
    expect(seen.slice(3)).toEqual([
      ["run.finishing", 4],
      ["run.finished", 5],
      ["run.cleaned", 6],
    ]);
  });

  it("reads in pages and finds the newest event of a type", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const run = await claimedRun(store);
    await appendNext(store, run, [...startedEvents, replied("one"), replied("two")]);
    const page = await store.journal.read(run.runId, 2, 2);
    expect(page.map((event) => event.seq)).toEqual([3, 4]);
    expect(await store.journal.latest(run.runId, "turn.replied")).toMatchObject({ seq: 5 });
    expect(await store.journal.latest(run.runId, "run.finished")).toBeUndefined();
  });

  it("keeps what its events say about outputs, content and blobs, and drops secrets at the end", async () => {
    const store = await openSampleStore(await tempDir("journal"));
    const sealed = new Uint8Array([1, 2, 3]);
    const run = await claimedRun(store, { secrets: [{ name: "anthropic", sealed }] });
    expect(await store.secrets.get(run.runId)).toEqual([{ name: "anthropic", sealed }]);
    const output = {
      id: "out_1",
      path: "/workspace/out/a",
      name: "a",
      sha256: digestOf("a"),
      bytes: 1,
      contentType: "text/plain",
    };
    const captured = (outputs: (typeof output)[]): NewEvent => ({
      type: "outputs.captured",
      data: { partial: false, outputs, missing: [] },
    });
    const wrote = (name: string, text: string) =>
      callFinished({
        content: [{ name, visibility: "session", sha256: digestOf(text), bytes: text.length }],
        stdout: { blob: digestOf(`stdout ${text}`), bytes: 9, truncated: false },
      });
    await appendNext(store, run, [captured([output]), wrote("x", "1"), wrote("x", "22")]);
    const newer = { ...output, id: "out_2", sha256: digestOf("b") };
    await appendNext(store, run, [captured([newer]), ...finishedEvents()]);
    expect(await store.files.outputs(run.workspaceId, run.runId)).toEqual([newer]);
    expect(await store.files.output(run.workspaceId, run.runId, "out_1")).toBeUndefined();
    expect(await store.files.content(run.runId)).toMatchObject([
      { name: "x", sha256: digestOf("1"), bytes: 1, order: 1 },
      { name: "x", sha256: digestOf("22"), bytes: 2, order: 2 },
    ]);
    const wanted = ["a", "b", "1", "22", "stdout 1", "stdout 22"].map(digestOf);
    expect(await Array.fromAsync(store.files.referenced())).toEqual(wanted.sort());
    for (const sha256 of wanted) expect(await store.files.isReferenced(sha256)).toBe(true);
    expect(await store.files.isReferenced(digestOf("body"))).toBe(false);
    expect(await store.secrets.get(run.runId)).toEqual([]);
    expect(await store.verify()).toMatchObject({ ok: true });
  });
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
