/** What a sweep takes and spares: C20 of the catalogue of attacks. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { syncFilesystem } from "../sandbox/sandbox.ts";
import { layerDirectory, newIncoming, removeSealed } from "./places.ts";
import { publish } from "./publish.ts";
import { publisherIn, type TestPublisher } from "./publisher.testing.ts";
import { type Sweeper, sweepLayers } from "./sweep.ts";

const never = new AbortController().signal;
const minute = 60_000;

let data: string;
let publisher: TestPublisher;
let sweeper: Sweeper;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "airlock-sweep-"));
  const threads = openThreads({ log: openLog("silent") });
  publisher = publisherIn(data, threads, syncFilesystem);
  sweeper = publisher;
});
afterEach(async () => {
  await sweeper.threads.close();
  removeSealed(data);
});

/** Makes the layer that holds the text; the digest. */
async function layerOf(text: string): Promise<string> {
  const incoming = newIncoming(publisher.places);
  mkdirSync(join(incoming, "tree", "deep"), { recursive: true });
  writeFileSync(join(incoming, "tree", "deep", "text"), text);
  const published = await publish(publisher, incoming, never, { isWhole: false });
  if (!published.ok) throw new Error(published.reason);
  return published.layer.digest;
}

/** Makes it look as if the layer had been captured an hour ago. */
async function oldLayerOf(text: string): Promise<string> {
  const digest = await layerOf(text);
  const then = new Date(Date.now() - 60 * minute);
  utimesSync(layerDirectory(publisher.places, digest), then, then);
  return digest;
}

const isThere = (digest: string) => existsSync(layerDirectory(publisher.places, digest));
const sweep = (...keep: string[]) =>
  sweepLayers(sweeper, { keep: new Set(keep), before: Date.now() - minute }, never);

it("a sweep takes what nobody uses and leaves what is kept, and nothing lies about after it", async () => {
  const [kept, unused] = [await oldLayerOf("kept"), await oldLayerOf("unused")];
  expect(await sweep(kept)).toEqual([unused]);
  expect([isThere(kept), isThere(unused)]).toEqual([true, false]);
  expect(readdirSync(publisher.places.incoming)).toEqual([]);
});

it("a layer that is being mounted survives the sweep until the last one lets go", async () => {
  const digest = await oldLayerOf("mounted");
  const releases = [sweeper.leases.hold(digest), sweeper.leases.hold(digest)];
  releases[0]?.();
  releases[0]?.();
  expect(await sweep()).toEqual([]);
  releases[1]?.();
  expect(await sweep()).toEqual([digest]);
});

it("a young layer is spared, and an old one that was captured again is young", async () => {
  const young = await layerOf("young");
  const again = await oldLayerOf("again");
  expect(await layerOf("again")).toBe(again);
  expect(await sweep()).toEqual([]);
  expect([isThere(young), isThere(again)]).toEqual([true, true]);
});
