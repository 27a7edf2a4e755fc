/** Layers that arrive: C15, C16, D04 and D05 of the catalogue of attacks. */
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openLog } from "../base/log.ts";
import { openThreads, type Threads } from "../base/threads.ts";
import { syncFilesystem } from "../sandbox/sandbox.ts";
import { zstdCompressed } from "./compression.ts";
import { importLayer } from "./import.ts";
import { digestOf, writeManifest } from "./manifest.ts";
import { layerDirectory, removeSealed } from "./places.ts";
import type { Publisher } from "./publish.ts";
import { publisherIn } from "./publisher.testing.ts";
import { writeTar } from "./tar-write.ts";
import { entriesOf, type Node, plant } from "./trees.testing.ts";
import { packed } from "./unpack.ts";

const never = new AbortController().signal;
const archiveBytes = 1e8;

let dir: string;
let tree: string;
let digest: string;
let threads: Threads;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-import-"));
  tree = join(dir, "tree");
  mkdirSync(tree);
  const tool: Node = { type: "file", bytes: Buffer.from("#!/bin/sh\n"), executable: true };
  const names = new Map<string, Node>([
    ["bin", { type: "directory", names: new Map([["tool", tool]]) }],
    ["data\xff", { type: "file", bytes: Buffer.alloc(2e6, "data"), executable: false }],
    ["shadow", { type: "symlink", target: Buffer.from("/etc/shadow") }],
  ]);
  plant(Buffer.from(tree), names);
  digest = digestOf(writeManifest(entriesOf(tree)));
  threads = openThreads({ log: openLog("silent") });
});
afterAll(async () => {
  await threads.close();
  removeSealed(dir);
});

let stores = 0;
/** The layer store of another gateway. */
function newStore(): Publisher {
  const data = join(dir, `data-${stores++}`);
  mkdirSync(data);
  return publisherIn(data, threads, syncFilesystem);
}

function everythingIn({ places }: Publisher): string[] {
  return [...readdirSync(places.root), ...readdirSync(places.incoming)];
}

const archive = () => packed(tree, entriesOf(tree));

it("a layer has the same digest where it arrives, and is read-only there", async () => {
  const store = newStore();
  const options = { expected: digest, archiveBytes };
  const layer = await importLayer(store, archive(), options, never);
  expect(layer).toMatchObject({ digest, fileCount: 2, sizeBytes: 2e6 + 10, existed: false });
  const arrived = join(layerDirectory(store.places, digest), "tree");
  expect(entriesOf(arrived)).toEqual(entriesOf(tree));
  const modes = ["", "bin", "bin/tool"].map((name) => lstatSync(join(arrived, name)).mode & 0o7777);
  expect(modes).toEqual([0o555, 0o555, 0o555]);
  expect(readlinkSync(join(arrived, "shadow"))).toBe("/etc/shadow");
  expect(await importLayer(store, archive(), options, never)).toMatchObject({ existed: true });
  await store.naming.cleared();
  expect(readdirSync(store.places.incoming)).toEqual([]);
});

it("ten arrivals of one layer at once are one layer", async () => {
  const store = newStore();
  const arrive = () => importLayer(store, archive(), { archiveBytes }, never);
  const layers = await Promise.all(Array.from({ length: 10 }, arrive));
  expect(layers.filter(({ existed }) => !existed)).toHaveLength(1);
  expect(new Set(layers.map((layer) => layer.digest))).toEqual(new Set([digest]));
  await store.naming.cleared();
  expect(everythingIn(store).sort()).toEqual([digest.slice(7), "incoming"].sort());
});

it("a layer that is not the expected one is refused, and nothing of it stays", async () => {
  const store = newStore();
  const expected = `sha256:${"0".repeat(64)}`;
  await expect(
    importLayer(store, archive(), { expected, archiveBytes }, never),
  ).rejects.toMatchObject({ code: "digest_mismatch", details: { digest, expected } });
  expect(everythingIn(store)).toEqual(["incoming"]);
});

it("nothing stays of an archive that is hostile at its end, cut off or given up", async () => {
  const store = newStore();
  const hostile = async function* () {
    const pieces: Buffer[] = [];
    for await (const piece of writeTar(tree, entriesOf(tree))) pieces.push(piece);
    yield* pieces.slice(0, -1);
    yield Buffer.alloc(512, "../x");
  };
  const cut = async function* () {
    for await (const piece of archive()) {
      yield piece.subarray(0, piece.length / 2);
      return;
    }
  };
  const gone = AbortSignal.abort(new Error("The caller has gone"));
  const options = { archiveBytes };
  await expect(importLayer(store, zstdCompressed(hostile()), options, never)).rejects.toMatchObject(
    { code: "invalid_request" },
  );
  await expect(importLayer(store, cut(), options, never)).rejects.toMatchObject({
    code: "invalid_request",
  });
  await expect(importLayer(store, archive(), options, gone)).rejects.toThrow("has gone");
  expect(everythingIn(store)).toEqual(["incoming"]);
});
