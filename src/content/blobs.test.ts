import { createHash, randomBytes } from "node:crypto";
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { openBlobs } from "./blobs.ts";
import type { Blobs } from "./content.ts";

const log = openLog("silent");
const digestOf = (bytes: Uint8Array) =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const threads = openThreads({ log });
const open = () => openBlobs({ dir, clock: systemClock, log, threads });
const fileOf = (sha256: string) => join(dir, "blobs", sha256.slice(7, 9), sha256.slice(9));
const tempFiles = () => readdir(join(dir, "blobs", "tmp"));
const openFiles = async () => (await readdir("/proc/self/fd")).length;

let dir: string;
let blobs: Blobs;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-blobs-"));
  blobs = await open();
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function* pieces(...parts: (string | Uint8Array)[]) {
  for (const part of parts) yield Buffer.from(part);
}

describe("a stored blob", () => {
  test("is named by its digest and comes back whole and as a stream", async () => {
    const bytes = randomBytes(300_000);
    const stored = await blobs.put(bytes);
    expect(stored).toEqual({ sha256: digestOf(bytes), bytes: bytes.length });
    expect((await blobs.get(stored.sha256)).equals(bytes)).toBe(true);
    const reading = await blobs.read(stored.sha256);
    expect(reading.bytes).toBe(bytes.length);
    expect((await buffer(reading.stream)).equals(bytes)).toBe(true);
  });

  test("is the same whether it came whole, in pieces, or twice at once", async () => {
    const many = await Promise.all([
      blobs.put(Buffer.from("hello world")),
      blobs.putStream(pieces("hello", " ", "world"), 11),
      blobs.put(Buffer.from("hello world")),
    ]);
    for (const stored of many) expect(stored).toEqual(many[0]);
    expect(await tempFiles()).toEqual([]);
  });

  test("may be empty", async () => {
    const { sha256 } = await blobs.putStream(pieces(), 0);
    expect((await blobs.get(sha256)).length).toBe(0);
  });

  test("can be read by its owner only, and written by nobody", async () => {
    const { sha256 } = await blobs.put(Buffer.from("x"));
    expect((await stat(fileOf(sha256))).mode & 0o777).toBe(0o400);
    expect((await stat(join(dir, "blobs"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(fileOf(sha256), ".."))).mode & 0o777).toBe(0o700);
  });

  test("is not written again when it is there, but becomes young", async () => {
    const { sha256 } = await blobs.put(Buffer.from("x"));
    const { ino } = await stat(fileOf(sha256));
    await utimes(fileOf(sha256), 1, 1);
    await blobs.put(Buffer.from("x"));
    const after = await stat(fileOf(sha256));
    expect(after.ino).toBe(ino);
    expect(systemClock.now() - after.mtimeMs).toBeLessThan(60_000);
  });

  test("is found after a restart", async () => {
    const { sha256 } = await blobs.put(Buffer.from("kept"));
    expect((await (await open()).get(sha256)).toString()).toBe("kept");
  });

  test("is listed with size and age", async () => {
    const { sha256 } = await blobs.put(Buffer.from("12345"));
    await utimes(fileOf(sha256), systemClock.now() / 1000 - 100, systemClock.now() / 1000 - 100);
    await writeFile(join(dir, "blobs", sha256.slice(7, 9), "not-a-blob"), "x");
    const all = await Array.fromAsync(blobs.all());
    expect(all).toEqual([{ sha256, bytes: 5, ageMs: expect.any(Number) }]);
    expect(all[0]?.ageMs).toBeGreaterThan(99_000);
  });
});

describe("a source that fails", () => {
  test("leaves nothing when it is larger than allowed", async () => {
    const stored = blobs.putStream(pieces("1234", "5678"), 7);
    await expect(stored).rejects.toMatchObject({ code: "payload_too_large" });
    expect(await tempFiles()).toEqual([]);
    expect(await Array.fromAsync(blobs.all())).toEqual([]);
  });

  test("leaves nothing when it breaks off, and its error is the one that is seen", async () => {
    async function* broken() {
      yield Buffer.from("half");
      throw new Error("connection lost");
    }
    await expect(blobs.putStream(broken(), 100)).rejects.toThrow("connection lost");
    expect(await tempFiles()).toEqual([]);
  });

  test("is told apart from a full disk", async () => {
    async function* full() {
      yield Buffer.from("half");
      throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    }
    await expect(blobs.putStream(full(), 100)).rejects.toMatchObject({ code: "storage_full" });
    expect(await tempFiles()).toEqual([]);
  });
});

describe("a damaged blob", () => {
  const bytes = Buffer.alloc(200_000, "airlock");
  let sha256: string;

  beforeEach(async () => {
    sha256 = (await blobs.put(bytes)).sha256;
    await chmod(fileOf(sha256), 0o600);
  });

  async function expectRefused() {
    await expect(blobs.get(sha256)).rejects.toMatchObject({ code: "digest_mismatch" });
    const before = await openFiles();
    const read = blobs.read(sha256).then(({ stream }) => buffer(stream));
    await expect(read).rejects.toMatchObject({ code: "digest_mismatch" });
    expect(await openFiles()).toBe(before);
    await blobs.put(bytes);
    expect((await blobs.get(sha256)).equals(bytes)).toBe(true);
  }

  test.each([
    ["with one bit flipped", (b: Buffer) => Buffer.from(b.with(150_000, (b[150_000] ?? 0) ^ 1))],
    ["cut short", (b: Buffer) => b.subarray(0, -1)],
    ["emptied", () => Buffer.alloc(0)],
    ["with bytes after its end", (b: Buffer) => Buffer.concat([b, Buffer.from("x")])],
  ])("%s is refused, and healed by storing the bytes again", async (_, change) => {
    await writeFile(fileOf(sha256), change(bytes));
    await expectRefused();
  });

  test("that is another valid blob is refused", async () => {
    const other = await blobs.put(Buffer.from("other"));
    await rename(fileOf(other.sha256), fileOf(sha256));
    await expectRefused();
  });

  test("that is a symbolic link, even to the right bytes, is refused", async () => {
    await rename(fileOf(sha256), join(dir, "real"));
    await symlink(join(dir, "real"), fileOf(sha256));
    await expectRefused();
    expect((await lstat(fileOf(sha256))).isFile()).toBe(true);
    expect((await readFile(join(dir, "real"))).equals(bytes)).toBe(true);
  });

  test("that has a second name on disk is refused", async () => {
    await link(fileOf(sha256), join(dir, "second"));
    await expectRefused();
  });

  test("that is a directory is refused", async () => {
    await rm(fileOf(sha256));
    await mkdir(join(fileOf(sha256), "inside"), { recursive: true });
    await expectRefused();
  });
});

describe("reading", () => {
  test.each([
    "0".repeat(64),
    `sha256:${"A".repeat(64)}`,
    `SHA256:${"a".repeat(64)}`,
    `sha256:${"a".repeat(63)}`,
    `sha256:${"a".repeat(64)}\n`,
    `sha512:${"a".repeat(128)}`,
    "sha256:../../../../etc/passwd",
    "",
  ])("refuses %j, which is not the canonical form of a digest", async (digest) => {
    await expect(blobs.get(digest)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(blobs.read(digest)).rejects.toMatchObject({ code: "invalid_request" });
  });

  test("is not disturbed by others who store the same bytes at that moment", async () => {
    // The second of two who find nothing there takes the name over, from under whoever has just opened the first.
    for (let round = 0; round < 60; round++) {
      const bytes = Buffer.from(`round ${round}`);
      const once = async () => {
        const { sha256 } = await blobs.put(bytes);
        for (let time = 0; time < 5; time++) expect(await blobs.get(sha256)).toEqual(bytes);
      };
      await Promise.all(Array.from({ length: 8 }, once));
    }
  });

  test("says that a blob is not there", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    await expect(blobs.get(digest)).rejects.toMatchObject({ code: "not_found" });
    await expect(blobs.read(digest)).rejects.toMatchObject({ code: "not_found" });
  });

  test("closes the file when the reader goes away, before the first byte or after it", async () => {
    const { sha256 } = await blobs.put(randomBytes(1_000_000));
    const before = await openFiles();
    const unread = (await blobs.read(sha256)).stream;
    const begun = (await blobs.read(sha256)).stream;
    await begun[Symbol.asyncIterator]().next();
    const closed = [unread, begun].map((s) => new Promise((resolve) => s.once("close", resolve)));
    unread.destroy();
    begun.destroy();
    await Promise.all(closed);
    expect(await openFiles()).toBe(before);
  });
});

describe("opening", () => {
  test("removes what a crash left half written", async () => {
    await writeFile(join(dir, "blobs", "tmp", "half"), "half a blob");
    await mkdir(join(dir, "blobs", "tmp", "aside"));
    await open();
    expect(await tempFiles()).toEqual([]);
  });

  test("puts a blob back that a sweep had taken aside when it was killed", async () => {
    const { sha256 } = await blobs.put(Buffer.from("still wanted"));
    await rename(fileOf(sha256), join(dir, "blobs", "tmp", `condemned.${sha256.slice(7)}`));
    expect((await (await open()).get(sha256)).toString()).toBe("still wanted");
  });
});

describe("a large blob", () => {
  const large = Buffer.alloc(2 * 1024 * 1024 + 5, "large ");

  test("is stored, given back and checked as a small one is", async () => {
    const stored = await blobs.put(large);
    expect(stored).toEqual({ sha256: digestOf(large), bytes: large.length });
    expect(await blobs.put(large)).toEqual(stored);
    expect(Buffer.compare(await blobs.get(stored.sha256), large)).toBe(0);
    expect(await blobs.check(stored.sha256)).toBe(large.length);
    const small = await blobs.put(Buffer.from("small"));
    expect(await blobs.check(small.sha256)).toBe(5);
    expect(await tempFiles()).toEqual([]);
  });

  test.each([
    ["other bytes", Buffer.alloc(large.length, "other ")],
    ["a byte too few", large.subarray(1)],
    ["a byte too many", Buffer.concat([large, Buffer.of(0)])],
  ])("that holds %s is refused, and replaced by the next one that is stored", async (_, found) => {
    const { sha256 } = await blobs.put(large);
    await chmod(fileOf(sha256), 0o600);
    await writeFile(fileOf(sha256), found);
    const before = await openFiles();
    await expect(blobs.get(sha256)).rejects.toMatchObject({ code: "digest_mismatch" });
    await expect(blobs.check(sha256)).rejects.toMatchObject({ code: "digest_mismatch" });
    expect(await openFiles()).toBe(before);
    await blobs.put(large);
    expect(await blobs.check(sha256)).toBe(large.length);
  });
});
