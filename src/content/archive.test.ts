import { randomFillSync } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Entry, fromBuffer, type ZipFile } from "yauzl";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { newId } from "../contract/ids.ts";
import { ArchiveManifest, type Output } from "../contract/output.ts";
import { type ArchivedRun, type ArchiveRequest, buildArchive } from "./archive.ts";
import { openBlobs } from "./blobs.ts";
import type { Blobs } from "./content.ts";

const mtime = new Date("2026-03-04T05:06:08Z");
const threads = openThreads({ log: openLog("silent") });
let dir: string;
let blobs: Blobs;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-archive-"));
  blobs = await openBlobs({ dir, clock: systemClock, log: openLog("silent"), threads });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function* eventsOf(count: number) {
  for (let seq = 1; seq <= count; seq++) yield { seq, text: "ä\n" };
}

async function output(name: string, bytes: Uint8Array, contentType = "text/plain") {
  const stored = await blobs.put(bytes);
  return { id: newId("output"), path: `/workspace/${name}`, name, contentType, ...stored };
}

const build = ({
  outputs = [],
  missing = [],
  ...request
}: Partial<ArchiveRequest> & Partial<ArchivedRun> = {}) =>
  buildArchive({
    runJson: { id: "run_1", status: "succeeded" },
    events: eventsOf(3),
    archived: () => ({ outputs, missing, custody: { runId: "run_1", secrets: [] } }),
    attest: (members) => Buffer.from(JSON.stringify(members.map(({ name }) => name))),
    source: "s3",
    partial: false,
    mtime,
    blobs,
    ...request,
  });

async function unzip(archive: Readable): Promise<Map<string, { text: string; entry: Entry }>> {
  const zip: ZipFile = await promisify<Buffer, object, ZipFile>(fromBuffer)(await buffer(archive), {
    lazyEntries: true,
    validateEntrySizes: true,
    strictFileNames: true,
  });
  const entries = new Map<string, { text: string; entry: Entry }>();
  const open = promisify<Entry, Readable>(zip.openReadStream.bind(zip));
  return new Promise((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", () => resolve(entries));
    zip.on("entry", async (entry: Entry) => {
      const content = entry.fileName.endsWith("/") ? "" : await text(await open(entry));
      entries.set(entry.fileName, { text: content, entry });
      zip.readEntry();
    });
    zip.readEntry();
  });
}

const manifestOf = (entries: Map<string, { text: string }>) =>
  ArchiveManifest.parse(JSON.parse(entries.get("manifest.json")?.text ?? ""));
const fileOf = ({ sha256 }: Output) => join(dir, "blobs", sha256.slice(7, 9), sha256.slice(9));
const openFiles = async () => (await readdir("/proc/self/fd")).length;

describe("an archive", () => {
  test("holds the run, its events, its outputs by name, and a manifest of them", async () => {
    const outputs = [
      await output("größe/日本.txt", Buffer.from("hello")),
      await output("a.png", Buffer.alloc(100_000, "png"), "image/png"),
      await output("empty", Buffer.alloc(0)),
    ];
    const missing = [{ path: "/workspace/link", reason: "not_a_regular_file" as const }];
    const entries = await unzip(build({ outputs, missing, partial: true, source: "live" }));
    expect([...entries.keys()]).toEqual([
      "run.json",
      "events.jsonl",
      "outputs/größe/日本.txt",
      "outputs/a.png",
      "outputs/empty",
      "custody.json",
      "manifest.json",
      "attestation.json",
    ]);
    expect(JSON.parse(entries.get("run.json")?.text ?? "")).toMatchObject({ id: "run_1" });
    const lines = entries.get("events.jsonl")?.text.trimEnd().split("\n") ?? [];
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual([1, 2, 3]);
    expect(entries.get("outputs/größe/日本.txt")?.text).toBe("hello");
    expect(entries.get("outputs/a.png")?.text.length).toBe(100_000);
    const manifest = manifestOf(entries);
    expect(manifest).toMatchObject({ source: "live", partial: true, missing });
    expect(manifest.outputs[0]).toEqual({
      id: outputs[0]?.id,
      path: "outputs/größe/日本.txt",
      sourcePath: "/workspace/größe/日本.txt",
      byteSize: 5,
      contentType: "text/plain",
      sha256: outputs[0]?.sha256,
    });
  });

  test("has an empty outputs/ when there is nothing to hand back", async () => {
    const entries = await unzip(build());
    expect([...entries.keys()]).toEqual([
      "run.json",
      "events.jsonl",
      "outputs/",
      "custody.json",
      "manifest.json",
      "attestation.json",
    ]);
    expect(manifestOf(entries).outputs).toEqual([]);
  });

  test("carries the run's time, so that it is the same bytes every time", async () => {
    const outputs = [await output("a.txt", Buffer.from("a"))];
    const [first, second] = [await buffer(build({ outputs })), await buffer(build({ outputs }))];
    expect(first.equals(second)).toBe(true);
    const entries = await unzip(build({ outputs }));
    for (const { entry } of entries.values()) expect(entry.getLastModDate()).toEqual(mtime);
  });

  test("says which outputs are gone or damaged, and hands back the others", async () => {
    const gone = await output("gone", Buffer.from("gone"));
    const damaged = await output("damaged", Buffer.alloc(300_000, "d"));
    const short = await output("short", Buffer.from("short"));
    const good = await output("good", Buffer.from("good"));
    await rm(fileOf(gone));
    await rm(fileOf(damaged));
    await writeFile(fileOf(damaged), Buffer.alloc(300_000, "e"));
    await chmod(fileOf(short), 0o600);
    await truncate(fileOf(short), 3);
    const entries = await unzip(build({ outputs: [gone, damaged, short, good] }));
    expect(entries.get("outputs/good")?.text).toBe("good");
    const manifest = manifestOf(entries);
    expect(manifest.outputs.map(({ path }) => path)).toEqual(["outputs/good"]);
    expect(manifest.missing).toMatchObject(
      [gone, damaged, short].map(({ path }) => ({ path, reason: "unreadable" })),
    );
  });

  test("fails, rather than ends early, when the events cannot be read", async () => {
    async function* broken() {
      yield { seq: 1 };
      throw new Error("database is gone");
    }
    await expect(buffer(build({ events: broken() }))).rejects.toThrow("database is gone");
  });

  test("of ten thousand small outputs is complete", async () => {
    const one = await output("x", Buffer.from("x"));
    const outputs = Array.from({ length: 10_000 }, (_, i) => ({ ...one, name: `${i}.txt` }));
    const entries = await unzip(build({ outputs }));
    expect(entries.size).toBe(10_005);
  });
});

describe("a large archive", () => {
  const size = 200 * 1024 * 1024;
  let large: Output;

  beforeEach(async () => {
    const chunk = randomFillSync(Buffer.alloc(1024 * 1024));
    async function* chunks() {
      for (let i = 0; i < 200; i++) yield chunk;
    }
    const stored = await blobs.putStream(chunks(), size);
    const about = { path: "/workspace/large", name: "large", contentType: "video/mp4" };
    large = { id: newId("output"), ...about, ...stored };
  });

  test("is streamed: 200 MB pass through much less memory", async () => {
    const before = process.memoryUsage().rss;
    let most = 0;
    let bytes = 0;
    for await (const chunk of build({ outputs: [large] })) {
      bytes += chunk.length;
      most = Math.max(most, process.memoryUsage.rss());
    }
    expect(bytes).toBeGreaterThan(size);
    expect(most - before).toBeLessThan(120 * 1024 * 1024);
  });

  test("is not read ahead of a reader that does not read", async () => {
    const archive = build({ outputs: [large] });
    await new Promise((resolve) => archive.once("readable", resolve));
    let ticks = 0;
    while (ticks < 2_000) {
      ticks += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // In pieces of 128 KiB.
    expect(archive.readableLength).toBeLessThan(4);
    archive.destroy();
  });

  test("closes its files when the client goes away in the middle", async () => {
    const before = await openFiles();
    const archive = build({ outputs: [large, large] });
    let bytes = 0;
    for await (const chunk of archive) {
      bytes += chunk.length;
      if (bytes > 10_000_000) break;
    }
    await expect.poll(openFiles).toBe(before);
    expect(archive.destroyed).toBe(true);
  });
});
