import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  digestOf,
  finishedEvents,
  openSampleStore,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { artifactIdentity } from "../base/artifact-identity.ts";
import type { ArtifactManifest } from "../contract/artifact.ts";
import { newId } from "../contract/ids.ts";
import type { NewRun, Store } from "./store.ts";

const file = { name: "main.py", sha256: digestOf("print()"), bytes: 7, executable: true };
const manifest: ArtifactManifest = {
  ...{ kind: "generic", files: [file], entrypoints: ["main.py"] },
  layers: [
    { name: "deps", digest: digestOf("tree"), mount_path: "/tmp/venv", mount_as: "/opt/venv" },
  ],
};
const { id } = artifactIdentity(manifest);
const ref = "ar.0123456789abcdef01234567";

async function build(store: Store, run: NewRun, artifact_ref = ref): Promise<void> {
  await appendNext(store, run, [
    {
      type: "call.finished",
      data: {
        ...{ call_id: newId("call"), tool: "artifact_build", outcome: "returned" },
        ...{ result: {}, duration_ms: 1 },
        artifact: { artifact_id: id, artifact_ref, name: "tool", manifest },
      },
    },
  ]);
}

async function built(): Promise<{ store: Store; run: NewRun }> {
  const store = await openSampleStore(await tempDir("artifacts"));
  const run = await claimedRun(store);
  await build(store, run);
  return { store, run };
}

describe("the id of an artifact", () => {
  it("is the same for the same things, however they were written down", () => {
    const { kind, layers, files, entrypoints } = manifest;
    expect(artifactIdentity({ layers, entrypoints, files, kind })).toEqual(
      artifactIdentity(manifest),
    );
  });

  it.each<[string, Partial<ArtifactManifest>]>([
    ["a name", { files: [{ ...file, name: "other.py" }] }],
    ["a mode", { files: [{ ...file, executable: false }] }],
    ["bytes", { files: [{ ...file, sha256: digestOf("x") }] }],
    ["an entrypoint", { entrypoints: [] }],
    ["the kind", { kind: "binary" }],
    ["a mount", { layers: manifest.layers.map((layer) => ({ ...layer, mount_as: null })) }],
  ])("is another when %s is another", (_, change) => {
    expect(artifactIdentity({ ...manifest, ...change }).id).not.toBe(id);
  });
});

describe("an artifact", () => {
  it("is found by id and by ref, and stays with its files when its run is deleted", async () => {
    const { store, run } = await built();
    const { workspaceId, runId } = run;
    const found = await store.artifacts.get(workspaceId, id, runId);
    expect(found).toMatchObject({ id, ref, name: "tool", runId, ...manifest });
    expect(await store.artifacts.get(workspaceId, ref, runId)).toEqual(found);
    await appendNext(store, run, finishedEvents());
    await store.runs.delete(workspaceId, runId);
    expect((await store.artifacts.list(workspaceId, { limit: 100 })).rows).toEqual([found]);
    expect(await store.files.isReferenced(file.sha256)).toBe(true);
    const referenced: string[] = [];
    for await (const sha256 of store.files.referenced()) referenced.push(sha256);
    expect(referenced).toContain(file.sha256);
  });

  it("that is built again is the same one, with one more ref", async () => {
    const { store, run } = await built();
    const second = await claimedRun(store, { workspaceId: run.workspaceId });
    await build(store, second, "ar.ffffffffffffffffffffffff");
    expect((await store.artifacts.list(run.workspaceId, { limit: 100 })).rows).toHaveLength(1);
    const by = (idOrRef: string) => store.artifacts.get(run.workspaceId, idOrRef, null);
    expect((await by(ref))?.runId).toBe(run.runId);
    expect((await by("ar.ffffffffffffffffffffffff"))?.id).toBe(id);
  });

  it("is not there for another workspace, and its ref not for another run tree (I14)", async () => {
    const { store, run } = await built();
    const other = newId("workspace");
    expect(await store.artifacts.get(other, id, null)).toBeUndefined();
    expect(await store.artifacts.get(other, ref, null)).toBeUndefined();
    expect(await store.artifacts.get(run.workspaceId, ref, newId("run"))).toBeUndefined();
    expect(await store.artifacts.get(run.workspaceId, ref, null)).toBeDefined();
  });

  it("is not found by a ref that was revoked", async () => {
    const { store, run } = await built();
    expect(await store.artifacts.revokeRef(newId("workspace"), ref)).toBe(false);
    expect(await store.artifacts.revokeRef(run.workspaceId, ref)).toBe(true);
    expect(await store.artifacts.revokeRef(run.workspaceId, ref)).toBe(false);
    expect(await store.artifacts.get(run.workspaceId, ref, run.runId)).toBeUndefined();
    expect(await store.artifacts.get(run.workspaceId, id, run.runId)).toMatchObject({ ref: null });
  });

  it("is not kept of a layer that was deleted while it was made", async () => {
    const { store, run } = await built();
    const lost = manifest.layers.map((layer) => ({ ...layer, digest: digestOf("lost") }));
    const wanted = { manifest: { ...manifest, layers: lost }, name: null, createdAt: "2026-01-01" };
    const added = store.artifacts.add(
      run.workspaceId,
      { ...wanted, runId: null, callId: null },
      "ar.ffffffffffffffffffffffff",
    );
    await expect(added).rejects.toMatchObject({ code: "not_found" });
    expect((await store.artifacts.list(run.workspaceId, { limit: 9 })).rows).toHaveLength(1);
  });
});
