import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { tempDirUntilExit } from "../../test/support/temp-dir.ts";
import { type ZipEntry, zipOf } from "../../test/support/zip-of.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { type Blobs, openBlobs } from "../content/content.ts";
import type { BundleEntry, BundleKind } from "../contract/bundle.ts";
import { openUnpacking, type Unpacking } from "./unpack.ts";

const log = openLog("silent");
const threads = openThreads({ log });
afterAll(() => threads.close());

let blobs: Blobs;
let unpacking: Unpacking;
let kept = 0;
beforeAll(async () => {
  const dir = tempDirUntilExit("hostile-zip");
  blobs = await openBlobs({ dir, clock: systemClock, log, threads });
  const keep = async () => {
    kept += 1;
  };
  unpacking = openUnpacking({ blobs, rows: { keep } });
});

const skill: ZipEntry = { path: "SKILL.md", bytes: "# hi" };
const MiB = 1024 * 1024;

async function problemOf(zip: Buffer, kind: BundleKind = "skill"): Promise<string> {
  const before = kept;
  const stored = await blobs.put(zip);
  const failed = await unpacking.unpack("ws_a", { kind, zip: stored }).then(
    () => undefined,
    (error: unknown) => error as { code: string; message: string },
  );
  expect(kept, "nothing is made known of a bundle that is refused").toBe(before);
  expect(failed, "it must be refused").toBeDefined();
  expect(failed?.code).toBe("bundle_invalid");
  return failed?.message ?? "";
}

const bytesOf = (entries: BundleEntry[]) =>
  entries.map(({ sha256, size }) => `${sha256} ${size}`).sort();

const beside = (...entries: ZipEntry[]) => zipOf([skill, ...entries]);

describe("a name that could be another place is refused", () => {
  it.each([
    ["scripts/../../x", "'..'"],
    ["../x", "'..'"],
    ["./x", "'.'"],
    ["/etc/passwd", "relative"],
    ["C:/Users/x", "drive letter"],
    ["foo\\bar", "backslash"],
    ["foo\0bar", "NUL"],
    ["foo\nbar", "control"],
    ["a//b", "empty segment"],
    [" ", "empty"],
    [`${"a/".repeat(16)}b`, "16 segments"],
    [`${"a".repeat(255)}/${"b".repeat(255)}/c`, "512 bytes"],
    [`${"é".repeat(128)}`, "255 bytes"],
  ])("%j", async (path, rule) => {
    const message = await problemOf(beside({ path, bytes: "x" }));
    expect(message).toContain(JSON.stringify(path).slice(0, 100));
    expect(message).toContain(rule);
  });

  it("that is not UTF-8", async () => {
    expect(await problemOf(beside({ path: Buffer.from([0x66, 0xff]) }))).toContain("UTF-8");
  });

  it("that is there twice, or is the same for some systems", async () => {
    expect(await problemOf(beside(skill))).toContain('"SKILL.md" is there twice');
    expect(await problemOf(beside({ path: "skill.md" }))).toContain("same file as SKILL.md");
    const accents = [{ path: "caf\u00e9" }, { path: "cafe\u0301" }];
    expect(await problemOf(beside(...accents))).toContain("same file as");
    expect(await problemOf(beside({ path: "a" }, { path: "A/b" }))).toContain("is below a");
  });
});

describe("an entry that is no plain file is refused", () => {
  it.each([
    ["a symbolic link", 0o120777],
    ["a device", 0o020666],
    ["a FIFO", 0o010644],
    ["a socket", 0o140755],
    ["a directory that is named as a file", 0o040755],
  ])("%s", async (_, mode) => {
    expect(await problemOf(beside({ path: "x", mode, bytes: "/etc/passwd" }))).toContain(
      '"x" is a link',
    );
  });

  it("that is encrypted, or compressed in another way", async () => {
    expect(await problemOf(beside({ path: "x", level: 1, says: { flags: 0x801 } }))).toContain(
      '"x" is encrypted',
    );
    expect(await problemOf(beside({ path: "x", says: { method: 93 } }))).toContain("by method 93");
  });

  it("keeps of its mode whether it is 0755, and nothing else", async () => {
    const modes = [0o100755, 0o100777, 0o104755, 0o100700, 0o100600, 0, 0o755];
    const zip = beside(...modes.map((mode, at) => ({ path: `f${at}`, mode })));
    const stored = await blobs.put(zip);
    const { entries } = await unpacking.unpack("ws_a", { kind: "skill", zip: stored });
    const found = entries.filter(({ path }) => path !== "SKILL.md").map(({ mode }) => mode);
    expect(found).toEqual([0o755, 0o644, 0o755, 0o644, 0o644, 0o644, 0o755]);
  });
});

describe("too much is refused", () => {
  it("as files", async () => {
    const files = (count: number) => Array.from({ length: count }, (_, at) => ({ path: `f${at}` }));
    expect(await problemOf(beside(...files(1000)))).toContain("1000 files");
    const stored = await blobs.put(beside(...files(999)));
    const { fileCount } = await unpacking.unpack("ws_a", { kind: "skill", zip: stored });
    expect(fileCount).toBe(1000);
  });

  it("as segments of names, at once", async () => {
    const deep = "a/".repeat(32_000);
    const names = Array.from({ length: 70 }, (_, at) => ({ path: `${deep}${at}` }));
    const look = async () => {
      expect(await problemOf(beside(...names))).toContain("exceeds 512 bytes");
    };
    // Of the thread that all other requests are answered by.
    expect(await cpuMs(look)).toBeLessThan(5_000);
  });

  it("as directories, before any of them is looked at", async () => {
    const names = Array.from({ length: 20_000 }, (_, at) => ({ path: `d${at}/`, mode: 0o040755 }));
    expect(await problemOf(beside(...names))).toContain("1000 files");
  });

  it("as bytes: 25 MiB, 25 MiB and one more", async () => {
    const half = { bytes: Buffer.alloc(25 * MiB), level: 1 };
    const zip = zipOf([
      { ...half, path: "a" },
      { ...half, path: "b" },
      { path: "c", bytes: "x" },
    ]);
    expect(await problemOf(zip, "file")).toContain(`${50 * MiB} bytes`);
    const exactly = await blobs.put(
      zipOf([
        { ...half, path: "a" },
        { ...half, path: "b" },
      ]),
    );
    const { sizeBytes } = await unpacking.unpack("ws_a", { kind: "file", zip: exactly });
    expect(sizeBytes).toBe(50 * MiB);
  });

  it("when it says less than there is, without reading all of it", async () => {
    const bomb = { path: "bomb", bytes: Buffer.alloc(200 * MiB), level: 9 };
    expect(await problemOf(beside(bomb))).toContain(`${50 * MiB} bytes`);
    const said = await problemOf(beside({ ...bomb, says: { size: 10 } }));
    expect(said).toMatch(/"bomb" cannot be unpacked: too many bytes/);
    expect(await problemOf(beside({ path: "x", bytes: "x", level: 1, says: { size: 9 } }))).toMatch(
      /"x" cannot be unpacked: not enough bytes/,
    );
  });
});

describe("a zip that is damaged is refused", () => {
  it("when it is none at all, or has nothing in it", async () => {
    const empty = Buffer.concat([Buffer.from("PK\x05\x06", "latin1"), Buffer.alloc(18)]);
    expect(await problemOf(empty)).toContain("The bundle has no files");
    for (const bytes of ["", "not a zip", "PK", "PK\x03\x04".padEnd(60, "\0")]) {
      expect(await problemOf(Buffer.from(bytes))).toContain("no zip that can be read");
    }
  });

  it("wherever it is cut off", async () => {
    const zip = beside({ path: "a/b", bytes: "some text ".repeat(50), level: 9 });
    for (let length = 0; length < zip.length; length += 7) await problemOf(zip.subarray(0, length));
  });

  it("when a file is not what its checksum says", async () => {
    expect(await problemOf(beside({ path: "x", bytes: "abc", says: { crc32: 1 } }))).toContain(
      '"x" is damaged',
    );
  });

  it("or is unpacked as what it is, whatever byte of it is another one", async () => {
    const zip = beside({ path: "a/b", bytes: "some text ".repeat(9), level: 9 });
    const good = await unpacking.unpack("ws_a", { kind: "skill", zip: await blobs.put(zip) });
    for (let at = 0; at < zip.length; at++) {
      const broken = Buffer.from(zip);
      broken[at] = (broken[at] ?? 0) ^ 0x10;
      const stored = await blobs.put(broken);
      const unpacked = await unpacking.unpack("ws_a", { kind: "skill", zip: stored }).then(
        ({ entries }) => entries,
        (error: { code: string }) => error.code,
      );
      if (unpacked === "bundle_invalid") continue;
      // What changed may be a time, a version or a name: never the bytes of a file.
      expect(unpacked).toBeInstanceOf(Array);
      expect(bytesOf(unpacked as BundleEntry[])).toEqual(bytesOf(good.entries));
    }
  });
});

describe("a bundle without the file that makes its kind is refused", () => {
  it.each([
    ["skill" as const, [{ path: "README.md" }], "has no SKILL.md at its root"],
    ["skill" as const, [{ path: "skill.md" }], "has no SKILL.md at its root"],
    ["agents_md" as const, [skill], "one AGENTS.md and nothing else"],
    ["agents_md" as const, [{ path: "AGENTS.md" }, skill], "one AGENTS.md and nothing else"],
  ])("%s", async (kind, entries, rule) => {
    expect(await problemOf(zipOf(entries), kind)).toContain(rule);
  });
});
