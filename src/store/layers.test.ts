import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  digestOf,
  finishedEvents,
  openSampleStore,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import { layerId } from "../contract/layer.ts";
import type { NewRun, Store } from "./store.ts";

const digest = digestOf("a tree");
const file = { name: "main.py", sha256: digestOf("print()"), bytes: 7, executable: true };
const manifest = {
  kind: "generic" as const,
  files: [file],
  entrypoints: ["main.py"],
  layers: [{ name: "deps", digest, mount_path: "/tmp/venv", mount_as: "/opt/venv" }],
};

function captured(call = newId("call")): NewEvent {
  return {
    type: "call.finished",
    data: {
      ...{ call_id: call, tool: "sandbox_exec", outcome: "returned", result: {}, duration_ms: 1 },
      layers: [
        {
          ...{ layer_id: layerId(digest), name: "deps", digest, cached: false },
          ...{ path: "/tmp/venv", mount_as: "/opt/venv", mount_path: "/tmp/venv" },
          ...{ file_count: 2, size_bytes: 30, abi: null, hosts: ["example.org"] },
        },
      ],
    },
  };
}

async function withLayer(): Promise<{ store: Store; run: NewRun }> {
  const store = await openSampleStore(await tempDir("layers"));
  const run = await claimedRun(store);
  await appendNext(store, run, [captured()]);
  return { store, run };
}

describe("a layer that a run captured", () => {
  it("is known to its workspace by id and digest, and to no other (I14)", async () => {
    const { store, run } = await withLayer();
    const layer = await store.layers.get(run.workspaceId, digest);
    expect(layer).toMatchObject({ id: layerId(digest), name: "deps", runId: run.runId });
    expect(await store.layers.get(run.workspaceId, layerId(digest))).toEqual(layer);
    expect((await store.layers.list(run.workspaceId, { limit: 100 })).rows).toEqual([layer]);
    const other = newId("workspace");
    expect(await store.layers.get(other, digest)).toBeUndefined();
    expect((await store.layers.list(other, { limit: 100 })).rows).toEqual([]);
  });

  it("is held by its run, then by an artifact or a build, and goes with the last of them", async () => {
    const { store, run } = await withLayer();
    const { workspaceId, runId } = run;
    const isKept = async () => {
      await store.layers.dropUnheld();
      return (await store.layers.kept()).has(digest);
    };
    expect(await isKept()).toBe(true);
    const build = {
      key: "k",
      layers: [],
      digests: [digest],
      expiresAt: "2999-01-01T00:00:00.000Z",
    };
    await store.builds.put(workspaceId, build);
    await appendNext(store, run, finishedEvents());
    await store.runs.delete(workspaceId, runId);
    expect(await isKept()).toBe(true);
    expect(await store.builds.find(workspaceId, "k")).toMatchObject({ layers: [] });
    expect(await store.builds.find(newId("workspace"), "k")).toBeUndefined();
    await store.builds.put(workspaceId, { ...build, expiresAt: "2001-01-01T00:00:00.000Z" });
    expect(await store.builds.find(workspaceId, "k")).toBeUndefined();
    expect(await isKept()).toBe(false);
  });

  it("that a person imported stays until that person takes it away", async () => {
    const store = await openSampleStore(await tempDir("layers"));
    const workspaceId = newId("workspace");
    const own = { digest, name: "mine", fileCount: 1, sizeBytes: 2, abi: null, hosts: [] };
    const by = { createdAt: new Date().toISOString(), runId: null, callId: null };
    const layer = await store.layers.import(workspaceId, { ...own, ...by });
    expect(await store.layers.get(workspaceId, layer.id)).toEqual(layer);
    await store.layers.dropUnheld();
    const artifact = { manifest, name: null, ...by };
    await store.artifacts.add(workspaceId, artifact, "ar.0123456789abcdef01234567");
    expect(await store.layers.forget(workspaceId, digest)).toBe("in_use");
    expect(await store.layers.forget(newId("workspace"), digest)).toBe("not_found");
    expect((await store.layers.kept()).has(digest)).toBe(true);
  });
});
