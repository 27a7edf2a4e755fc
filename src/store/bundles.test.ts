import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  digestOf,
  finishedEvents,
  openSampleStore,
  sampleRun,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { BundleKind } from "../contract/bundle.ts";
import type { PinnedBundle } from "../contract/bundle-ref.ts";
import { newId } from "../contract/ids.ts";
import type { NewBundleRow, NewRun, Store } from "./store.ts";

const workspaceId = newId("workspace");
const other = newId("workspace");

async function openRoom() {
  let ahead = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + ahead };
  const store = await openSampleStore(await tempDir("bundles"), undefined, clock);
  const later = (ms: number) => {
    ahead += ms;
  };
  /** An hour later nothing is young any more. */
  const hourLater = () => later(2 * limits.bundleKeptMs);
  return { store, later, hourLater };
}

const blobsOf = (text: string) => [digestOf(text), digestOf(`${text}: a file`)];

async function keep(store: Store, text: string, workspace = workspaceId): Promise<string> {
  await store.bundles.keep(workspace, digestOf(text), blobsOf(text));
  return digestOf(text);
}

function rowOf(contentHash: string, over: Partial<NewBundleRow> = {}): NewBundleRow {
  return {
    ...{ id: newId("skill"), kind: "skill", name: "count", contentHash, createdBy: "tok_a" },
    ...{ sizeBytes: 10, fileCount: 1, description: null },
    ...over,
  };
}

async function addBundle(store: Store, text: string, over: Partial<NewBundleRow> = {}) {
  return (await store.bundles.add(workspaceId, rowOf(await keep(store, text), over))).bundle;
}

function pinning(...pins: { text: string; id?: string }[]): Partial<NewRun> {
  const skills = pins.map(({ text, id }): PinnedBundle & { description: null } => ({
    ...{ name: text, contentHash: digestOf(text), sizeBytes: 10, fileCount: 1, description: null },
    ...(id === undefined ? {} : { id }),
  }));
  return { workspaceId, snapshot: { model: "scripted/demo", prompt: ["Count"], skills } };
}

async function referenced(store: Store, text: string): Promise<boolean[]> {
  return Promise.all(blobsOf(text).map((sha256) => store.files.isReferenced(sha256)));
}

const heldBy = async (store: Store) =>
  (await Array.fromAsync(store.bundles.held())).map(({ contentHash }) => contentHash);

describe("a record of a bundle", () => {
  it("is found by name and content, and by nobody else", async () => {
    const { store } = await openRoom();
    const bundle = await addBundle(store, "one");
    const { name, contentHash, id } = bundle;
    expect(await store.bundles.find(workspaceId, "skill", { name, contentHash })).toEqual(bundle);
    const elsewhere: [string, BundleKind, string, string][] = [
      [other, "skill", name, contentHash],
      [workspaceId, "file", name, contentHash],
      [workspaceId, "skill", "else", contentHash],
      [workspaceId, "skill", name, digestOf("else")],
    ];
    for (const [workspace, kind, byName, byHash] of elsewhere) {
      const wanted = { name: byName, contentHash: byHash };
      expect(await store.bundles.find(workspace, kind, wanted)).toBeUndefined();
    }
    expect(await store.bundles.get(other, "skill", id)).toBeUndefined();
    expect(await store.bundles.get(workspaceId, "file", id)).toBeUndefined();
    expect(await store.bundles.list(other, "skill")).toEqual([]);
    expect(await store.bundles.delete(other, "skill", id)).toBe(false);
    expect(await store.bundles.isHeld(other, contentHash)).toBe(false);
  });

  it("is made once for a name and a content, also by two at once", async () => {
    const { store } = await openRoom();
    const contentHash = await keep(store, "one");
    const made = await Promise.all(
      [1, 2, 3].map(() => store.bundles.add(workspaceId, rowOf(contentHash))),
    );
    expect(made.map(({ created }) => created).sort()).toEqual([false, false, true]);
    expect(new Set(made.map(({ bundle }) => bundle.id)).size).toBe(1);
    const changed = await addBundle(store, "two");
    expect((await store.bundles.list(workspaceId, "skill"))[0]).toEqual(changed);
  });

  it("that was deleted stays known, is listed no more, and makes room for the same again", async () => {
    const { store } = await openRoom();
    const bundle = await addBundle(store, "one");
    expect(await store.bundles.delete(workspaceId, "skill", bundle.id)).toBe(true);
    const deleted = await store.bundles.get(workspaceId, "skill", bundle.id);
    expect(deleted).toMatchObject({ ...bundle, deletedAt: expect.any(String) });
    expect(await store.bundles.delete(workspaceId, "skill", bundle.id)).toBe(true);
    expect(await store.bundles.get(workspaceId, "skill", bundle.id)).toEqual(deleted);
    expect(await store.bundles.list(workspaceId, "skill")).toEqual([]);
    const again = await addBundle(store, "one");
    expect(again.id).not.toBe(bundle.id);
    expect(await store.verify()).toMatchObject({ ok: true });
  });

  it("is not one too many, nor one too large", async () => {
    const { store } = await openRoom();
    const sizeBytes = limits.workspaceBundleBytes - 10;
    await addBundle(store, "large", { sizeBytes });
    await addBundle(store, "small");
    await expect(addBundle(store, "more")).rejects.toMatchObject({
      ...{ code: "invalid_request", message: /bytes of skills.*delete one/ },
    });
    const { store: second } = await openRoom();
    const contentHash = await keep(second, "one");
    for (let at = 0; at < limits.workspaceBundles; at++) {
      await second.bundles.add(workspaceId, rowOf(contentHash, { name: `n${at}` }));
    }
    await expect(second.bundles.add(workspaceId, rowOf(contentHash))).rejects.toThrow(
      /more than 1000 skills, instructions and files/,
    );
    const elsewhere = rowOf(await keep(second, "one", other));
    expect(await second.bundles.add(other, elsewhere)).toMatchObject({ created: true });
  });
});

describe("the bytes of a bundle", () => {
  it("are kept as long as a record that is not deleted has them", async () => {
    const { store, hourLater } = await openRoom();
    const { id } = await addBundle(store, "one");
    hourLater();
    expect(await store.bundles.dropUnheld()).toBe(0);
    expect(await referenced(store, "one")).toEqual([true, true]);
    await store.bundles.delete(workspaceId, "skill", id);
    expect(await referenced(store, "one")).toEqual([false, false]);
    expect(await store.bundles.dropUnheld()).toBe(1);
    expect(await heldBy(store)).toEqual([]);
  });

  it("are kept by a run when their record is deleted, until the run is", async () => {
    const { store, hourLater } = await openRoom();
    const { id } = await addBundle(store, "one");
    const run = await claimedRun(store, pinning({ text: "one", id }));
    await store.bundles.delete(workspaceId, "skill", id);
    hourLater();
    expect(await store.bundles.dropUnheld()).toBe(0);
    await appendNext(store, run, [...startedEvents, ...finishedEvents()]);
    expect(await referenced(store, "one")).toEqual([true, true]);
    expect(await heldBy(store)).toEqual([digestOf("one")]);
    expect(await store.verify()).toMatchObject({ ok: true });
    await store.runs.delete(workspaceId, run.runId);
    expect(await referenced(store, "one")).toEqual([false, false]);
    expect(await store.bundles.dropUnheld()).toBe(1);
  });

  it("that came with a submission are torn down with the end of its run", async () => {
    const { store, hourLater } = await openRoom();
    const { id } = await addBundle(store, "kept");
    await keep(store, "came");
    // What came along and is a record's as well stays.
    const pins = [{ text: "kept", id }, { text: "came" }, { text: "kept" }];
    const run = await claimedRun(store, pinning(...pins));
    await store.bundles.delete(workspaceId, "skill", id);
    hourLater();
    expect(await store.bundles.dropUnheld()).toBe(0);
    expect(await store.bundles.isHeld(workspaceId, digestOf("came"))).toBe(true);
    await appendNext(store, run, [...startedEvents, ...finishedEvents()]);
    expect(await store.bundles.isHeld(workspaceId, digestOf("came"))).toBe(false);
    expect(await referenced(store, "came")).toEqual([false, false]);
    expect(await store.bundles.dropUnheld()).toBe(1);
    expect(await heldBy(store)).toEqual([digestOf("kept")]);
    expect(await store.verify()).toMatchObject({ ok: true });
  });

  it("are held by every run that has them, whoever ends first", async () => {
    const { store } = await openRoom();
    await keep(store, "came");
    const first = await claimedRun(store, pinning({ text: "came" }));
    await claimedRun(store, pinning({ text: "came" }));
    await appendNext(store, first, [...startedEvents, ...finishedEvents()]);
    expect(await referenced(store, "came")).toEqual([true, true]);
  });

  it("are waited for half an hour after they were unpacked, and no longer", async () => {
    const { store, later } = await openRoom();
    await keep(store, "came");
    later(limits.bundleKeptMs - 60_000);
    expect(await store.bundles.dropUnheld()).toBe(0);
    await claimedRun(store, pinning({ text: "came" }));
    await keep(store, "late");
    later(limits.bundleKeptMs + 60_000);
    const late = sampleRun(pinning({ text: "late" }));
    await expect(store.journal.submit(late)).rejects.toMatchObject({
      ...{ code: "invalid_request", message: /"late" is gone.*send it again/ },
    });
    expect(await store.runs.get(workspaceId, late.runId)).toBeUndefined();
    await expect(store.bundles.add(workspaceId, rowOf(digestOf("late")))).rejects.toThrow(
      /is gone/,
    );
    await keep(store, "late");
    expect(await store.journal.submit(late)).toMatchObject({ type: "created" });
  });

  it("of another workspace are not there (I14)", async () => {
    const { store } = await openRoom();
    const contentHash = await keep(store, "one", other);
    await store.bundles.add(other, rowOf(contentHash));
    await expect(store.journal.submit(sampleRun(pinning({ text: "one" })))).rejects.toThrow(
      /is gone/,
    );
    await expect(store.bundles.add(workspaceId, rowOf(contentHash))).rejects.toThrow(/is gone/);
  });
});

describe("verify", () => {
  it("names a pin that the journal does not have, one that is missing, and content that nobody keeps", async () => {
    const dir = await tempDir("bundles-verify");
    const own = await openSampleStore(dir);
    const { id } = await addBundle(own, "one");
    await claimedRun(own, pinning({ text: "one", id }));
    const change = (sql: string) => {
      const db = new DatabaseSync(`${dir}/airlock.db`);
      db.exec(sql);
      db.close();
    };
    const defects = async () => (await own.verify()).defects.map(({ message }) => message);
    expect(await defects()).toEqual([]);
    change("update run_bundles set transient = 1");
    expect(await defects()).toEqual(["The bundles are not the journal's"]);
    change("delete from run_bundles");
    expect(await defects()).toEqual(["The bundles are not the journal's"]);
    change("pragma foreign_keys = off; delete from bundle_contents");
    expect(await defects()).toContain(
      `Nobody keeps the content ${digestOf("one")} that it refers to`,
    );
  });
});
