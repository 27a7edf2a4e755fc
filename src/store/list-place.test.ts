import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  digestOf,
  openSampleStore,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { limits } from "../base/limits.ts";
import type { Artifact, ArtifactManifest } from "../contract/artifact.ts";
import { newId } from "../contract/ids.ts";
import type { Layer } from "../contract/layer.ts";
import type { Store } from "./store.ts";

const workspaceId = newId("workspace");
const none = { runId: null, callId: null };
/** Three of each time: a list goes by time, and then by id. */
const timeOf = (n: number) => new Date(Math.floor(n / 3) * 1000).toISOString();

async function withArtifacts(count: number, manifestOf: (n: number) => Partial<ArtifactManifest>) {
  const store = await openSampleStore(await tempDir("lists"));
  const empty: ArtifactManifest = { kind: "generic", files: [], entrypoints: [], layers: [] };
  await Promise.all(
    Array.from({ length: count }, (_, n) =>
      store.artifacts.add(
        workspaceId,
        {
          manifest: { ...empty, ...manifestOf(n) },
          ...{ name: String(n), createdAt: timeOf(n), ...none },
        },
        `ar.${String(n).padStart(24, "0")}`,
      ),
    ),
  );
  return store;
}

const fileOf = (name: string) => ({
  ...{ name, sha256: digestOf("same"), bytes: 4, executable: false },
});

/** All of a list, in pages of `limit`. */
async function allOf<Row extends Layer | Artifact>(
  list: Store["layers"]["list"] | Store["artifacts"]["list"],
  limit: number,
): Promise<{ rows: Row[]; pages: number }> {
  const rows: Row[] = [];
  for (let pages = 1; ; pages += 1) {
    const page = await list(workspaceId, { limit, after: rows.at(-1) });
    rows.push(...(page.rows as Row[]));
    if (!page.more) return { rows, pages };
  }
}

describe("a list of artifacts", () => {
  it.each([1, 2, 3, 7, 20, 21, 100])(
    "has each once in pages of %i, newest first",
    async (limit) => {
      const store = await withArtifacts(20, (n) => ({ files: [fileOf(`f${n}`)] }));
      const { rows, pages } = await allOf<Artifact>(store.artifacts.list, limit);
      expect(pages).toBe(Math.ceil(20 / limit));
      expect(new Set(rows.map(({ name }) => name)).size).toBe(20);
      const keys = rows.map(({ createdAt, id }) => [createdAt, id] as const);
      const sorted = keys.toSorted(([a, x], [b, y]) => b.localeCompare(a) || x.localeCompare(y));
      expect(keys).toEqual(sorted);
      for (const row of rows) {
        expect(await store.artifacts.get(workspaceId, row.id, null)).toEqual(row);
      }
      expect(await store.artifacts.list(newId("workspace"), { limit })).toEqual({
        ...{ rows: [], more: false },
      });
    },
  );

  it("has pages of bounded size, and always one row (I9)", async () => {
    const large = "n".repeat(limits.pageBytes * 0.4);
    const store = await withArtifacts(5, (n) => ({ files: [fileOf(`${n}${large}`)] }));
    const first = await store.artifacts.list(workspaceId, { limit: 100 });
    expect([first.rows.length, first.more]).toEqual([2, true]);
    const { rows, pages } = await allOf<Artifact>(store.artifacts.list, 100);
    expect([rows.length, pages]).toEqual([5, 3]);
  });

  it("shows of each the newest ref that is in force", async () => {
    const store = await withArtifacts(1, () => ({}));
    const [only] = (await store.artifacts.list(workspaceId, { limit: 1 })).rows;
    if (only === undefined) throw new Error("There is no artifact");
    const { kind, files, entrypoints, layers } = only;
    const manifest = { kind, files, entrypoints, layers };
    const later = { manifest, name: null, createdAt: timeOf(99), ...none };
    await store.artifacts.add(workspaceId, later, "ar.ffffffffffffffffffffffff");
    const refs = async () =>
      (await store.artifacts.list(workspaceId, { limit: 9 })).rows.map(({ ref }) => ref);
    expect(await refs()).toEqual(["ar.ffffffffffffffffffffffff"]);
    await store.artifacts.revokeRef(workspaceId, "ar.ffffffffffffffffffffffff");
    expect(await refs()).toEqual([only.ref]);
  });
});

describe("a list of layers", () => {
  it.each([1, 3, 7, 20])("has each once in pages of %i, newest first", async (limit) => {
    const store = await openSampleStore(await tempDir("lists"));
    for (let n = 0; n < 20; n += 1) {
      const tree = { digest: digestOf(`layer ${n}`), name: String(n), fileCount: 1, sizeBytes: 1 };
      const made = { abi: null, hosts: [], createdAt: timeOf(n), ...none };
      await store.layers.import(workspaceId, { ...tree, ...made });
    }
    const { rows, pages } = await allOf<Layer>(store.layers.list, limit);
    expect(pages).toBe(Math.ceil(20 / limit));
    expect(new Set(rows.map(({ name }) => name)).size).toBe(20);
    const times = rows.map(({ createdAt }) => createdAt);
    expect(times).toEqual(times.toSorted().reverse());
  });
});

describe("the proofs of an artifact", () => {
  it("are shown newest first, as many as fit a page (I9)", async () => {
    const store = await openSampleStore(await tempDir("proofs"));
    const run = await claimedRun(store, { workspaceId });
    const layers: string[] = [];
    const shared = {
      artifact_id: `art_${"0".repeat(32)}`,
      artifact_digest: digestOf("it"),
      layers,
    };
    const isolation = { grade: "A", limits: "cgroup2", ownUid: true, sandbox: "bwrap" } as const;
    const start = { entrypoint: "main.py", command: null, passed: true, exit_code: 0 };
    for (let n = 0; n < 5; n += 1) {
      const args = [String(n), "a".repeat(limits.pageBytes * 0.4)];
      const call_id = newId("call");
      const data = { call_id, ...shared, ...start, args, isolation, network: "none" } as const;
      await appendNext(store, run, [{ type: "artifact.proved", data }]);
    }
    const proofs = await store.artifacts.proofs(workspaceId, shared.artifact_id);
    expect(proofs.map(({ args }) => args[0])).toEqual(["4", "3"]);
    expect(await store.artifacts.proofs(newId("workspace"), shared.artifact_id)).toEqual([]);
  });
});
