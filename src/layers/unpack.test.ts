import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { zstdCompressed } from "./compression.ts";
import { entriesOf, type Node, plant } from "./trees.testing.ts";
import { type ArchiveLimits, packed, unpack } from "./unpack.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "airlock-unpack-"));
  mkdirSync(join(dir, "tree"));
  mkdirSync(join(dir, "back"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const limits: ArchiveLimits = {
  ...{
    archiveBytes: 1e8,
    entries: 1000,
    fileBytes: 1e9,
    totalBytes: 2e9,
    depth: 64,
    pathBytes: 4000,
  },
};
const file = (bytes: Buffer): Node => ({ type: "file", bytes, executable: false });

describe("a layer that travels", () => {
  it("arrives as it left", async () => {
    const names = new Map<string, Node>([
      ["d", { type: "directory", names: new Map([["f", file(Buffer.alloc(3e6, "text"))]]) }],
      ["l", { type: "symlink", target: Buffer.from("/etc/shadow") }],
    ]);
    const [tree, back] = [join(dir, "tree"), join(dir, "back")];
    plant(Buffer.from(tree), names);
    await unpack(packed(tree, entriesOf(tree)), back, limits);
    expect(entriesOf(back)).toEqual(entriesOf(tree));
  });

  it("may be nothing but zeros, and costs neither side much memory", async () => {
    const tree = join(dir, "tree");
    plant(Buffer.from(tree), new Map([["zeros", file(Buffer.alloc(100e6))]]));
    const entries = entriesOf(tree);
    const before = process.memoryUsage();
    let most = 0;
    const watched = async function* () {
      for await (const piece of packed(tree, entries)) {
        yield piece;
        const now = process.memoryUsage();
        most = Math.max(most, now.arrayBuffers - before.arrayBuffers);
      }
    };
    await unpack(watched(), join(dir, "back"), limits);
    expect(entriesOf(join(dir, "back"))).toEqual(entries);
    expect(most).toBeLessThan(64e6);
  });

  it.each<[string, Partial<ArchiveLimits>, string]>([
    ["larger than it may be", { archiveBytes: 100 }, "payload_too_large"],
    ["larger inside than it may be", { totalBytes: 1e6 }, "payload_too_large"],
    ["with a file larger than it may be", { fileBytes: 1e6 }, "payload_too_large"],
    ["with more entries than it may have", { entries: 0 }, "payload_too_large"],
  ])("%s does not arrive", async (_, changed, code) => {
    const tree = join(dir, "tree");
    plant(Buffer.from(tree), new Map([["f", file(Buffer.alloc(3e6, "text"))]]));
    const wanted = unpack(packed(tree, entriesOf(tree)), join(dir, "back"), {
      ...limits,
      ...changed,
    });
    await expect(wanted).rejects.toMatchObject({ code });
  });

  it("is given up when the caller goes, and the source is let go", async () => {
    const gone = new AbortController();
    let isLetGo = false;
    const endless = async function* () {
      try {
        for (;;) {
          yield Buffer.alloc(64 * 1024);
          gone.abort(new Error("The caller has gone"));
        }
      } finally {
        isLetGo = true;
      }
    };
    const wanted = unpack(zstdCompressed(endless()), join(dir, "back"), limits, gone.signal);
    await expect(wanted).rejects.toThrow("The caller has gone");
    expect(isLetGo).toBe(true);
    expect(readdirSync(join(dir, "back"))).toEqual([]);
  });

  it("fails as its source does", async () => {
    const broken = async function* () {
      yield Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
      throw new Error("The connection is gone");
    };
    const wanted = unpack(broken(), join(dir, "back"), limits);
    await expect(wanted).rejects.toThrow("The connection is gone");
  });
});
