import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tempDirUntilExit } from "../../test/support/temp-dir.ts";
import { type ZipEntry, zipOf } from "../../test/support/zip-of.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { type Blobs, openBlobs } from "../content/content.ts";
import { type BundleKind, bundleProblems } from "../contract/bundle.ts";
import { Problem } from "../contract/problem.ts";
import { entriesOf } from "./manifest.ts";
import { pack } from "./pack.ts";
import { openUnpacking, type Unpacking } from "./unpack.ts";

const log = openLog("silent");
const workspaceId = "ws_01kadz3v6m5c0jx9s2qf8t7w4b";
const threads = openThreads({ log });
afterAll(() => threads.close());

let blobs: Blobs;
let unpacking: Unpacking;
beforeAll(async () => {
  const dir = tempDirUntilExit("unpack");
  blobs = await openBlobs({ dir, clock: systemClock, log, threads });
  unpacking = openUnpacking({ blobs, rows: { keep: async () => undefined } });
});

async function unpack(zip: Buffer, kind: BundleKind = "skill", contentHash?: string) {
  return unpacking.unpack(workspaceId, { kind, zip: await blobs.put(zip), contentHash });
}

const skill: ZipEntry = { path: "SKILL.md", bytes: "# hi" };

describe("a bundle that is unpacked", () => {
  const segment = fc
    .stringMatching(/^[a-z0-9 ._é🚀-]{1,12}$/u)
    .filter((text) => !/^\.{1,2}$/.test(text.trim()) && text.trim() !== "");
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const file = fc.record({
    path,
    bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    mode: fc.constantFrom(0o100644, 0o100755),
  });
  const bundle = fc
    .uniqueArray(file, {
      selector: (one) => one.path.normalize("NFC").toLowerCase(),
      maxLength: 12,
    })
    .map((files) => [{ path: "data.txt", bytes: Buffer.from("x"), mode: 0o100644 }, ...files])
    .filter(
      (files) =>
        bundleProblems(
          "file",
          files.map((one) => ({ ...one, size: one.bytes.length })),
        ).length === 0,
    );

  it("has one name, in whatever order, at whatever level and time it was packed", async () => {
    await fc.assert(
      fc.asyncProperty(
        bundle,
        fc.infiniteStream(fc.tuple(fc.option(fc.integer({ min: 0, max: 9 })), fc.nat())),
        fc.infiniteStream(fc.nat()),
        async (files, packing, order) => {
          const plain = await unpack(zipOf(files), "file");
          const shuffled = files
            .map((one) => ({ one, at: order.next().value }))
            .sort((a, b) => a.at - b.at)
            .map(({ one }) => {
              const [level, time] = packing.next().value;
              return { ...one, level: level ?? undefined, time };
            });
          const again = await unpack(zipOf(shuffled), "file");
          expect(again).toEqual(plain);
          const wanted = new Map(files.map((one) => [one.path, one]));
          expect(plain.entries).toHaveLength(files.length);
          for (const { path: name, mode, size, sha256 } of plain.entries) {
            const from = wanted.get(name);
            expect(mode | 0o100000).toBe(from?.mode);
            expect(size).toBe(from?.bytes.length);
            expect((await blobs.get(sha256)).equals(from?.bytes ?? Buffer.alloc(0))).toBe(true);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it("is the same bundle when what was packed from it is unpacked", async () => {
    await fc.assert(
      fc.asyncProperty(bundle, async (files) => {
        const first = await unpack(zipOf(files), "file");
        const zip = await buffer(pack(first.entries, blobs));
        expect((await buffer(pack(first.entries, blobs))).equals(zip)).toBe(true);
        expect(await unpack(zip, "file")).toEqual(first);
      }),
      { numRuns: 15 },
    );
  });

  it("is named by its manifest, which is a blob and sorted by the bytes of the paths", async () => {
    const { contentHash, entries } = await unpack(
      zipOf([
        { path: "😀", bytes: "3" },
        { path: "ﬀ", bytes: "2" },
        skill,
        { path: "2" },
        { path: "10" },
      ]),
    );
    const text = (await blobs.get(contentHash)).toString();
    expect(contentHash).toBe(`sha256:${createHash("sha256").update(text).digest("hex")}`);
    // UTF-16 would put the first of the last two behind the second, and an object the numbers in their own order.
    expect(entries.map(({ path }) => path)).toEqual(["10", "2", "SKILL.md", "ﬀ", "😀"]);
    expect(entriesOf(contentHash, text)).toEqual(entries);
    expect(() => entriesOf(contentHash, text.replace("0644", "0600"))).toThrow(
      /not what its digest/,
    );
    expect(() => entriesOf(contentHash, ` ${text}`)).toThrow(/not what its digest/);
  });

  it("has the contentHash that anybody can compute", async () => {
    const sha = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
    const { contentHash } = await unpack(
      zipOf([skill, { path: "bin/a.sh", bytes: "x", mode: 0o100755 }]),
    );
    const files =
      `{"mode":"0644","path":"SKILL.md","sha256":"${sha("# hi")}","size":4},` +
      `{"mode":"0755","path":"bin/a.sh","sha256":"${sha("x")}","size":1}`;
    expect(contentHash).toBe(sha(`{"files":[${files}],"schema":"airlock.bundle.v1"}`));
  });

  it("is freed of one folder around its SKILL.md, and of no more", async () => {
    const files = [skill, { path: "lib/a.py", bytes: "x" }];
    const bare = await unpack(zipOf(files));
    const within = (folder: string) =>
      files.map((one) => ({ ...one, path: `${folder}${one.path}` }));
    expect(
      await unpack(zipOf([{ path: "my-skill/", mode: 0o040755 }, ...within("my-skill/")])),
    ).toEqual(bare);
    for (const zip of [
      within("a/b/"),
      [...within("a/"), { path: "b/x" }],
      within("../"),
      within("/"),
      within("C:/"),
    ]) {
      await expect(unpack(zipOf(zip))).rejects.toMatchObject({ code: "bundle_invalid" });
    }
    await expect(unpack(zipOf(within("a/")), "file")).resolves.toMatchObject({
      entries: [{ path: "a/SKILL.md" }, {}],
    });
  });

  it("says of itself what its frontmatter says, or nothing", async () => {
    const described = async (text: string) =>
      (await unpack(zipOf([{ path: "SKILL.md", bytes: text }]))).description;
    expect(await described("---\nname: a\ndescription: Counts words\n---\n# A")).toBe(
      "Counts words",
    );
    expect(await described("\uFEFF---\r\ndescription: >\r\n  Two\r\n  lines\r\n---\r\n")).toBe(
      "Two lines",
    );
    expect(await described(`---\ndescription: ${"x".repeat(2000)}\n---\n`)).toBe("x".repeat(1024));
    for (const text of [
      "# A",
      "---\ndescription: [\n---\n",
      "---\ndescription: 5\n---\n",
      "---\n- a\n---\n",
      "---\ndescription: never closed",
      "---\na: &a [x, x]\nb: &b [*a, *a]\ndescription: *b\n---\n",
      `---\ndescription: ${"[".repeat(8000)}\n---\n`,
    ]) {
      expect(await described(text)).toBeNull();
    }
  });

  it("is refused when it is not what the client says", async () => {
    const { contentHash } = await unpack(zipOf([skill]));
    await expect(unpack(zipOf([skill]), "skill", contentHash)).resolves.toMatchObject({
      contentHash,
    });
    const other = `sha256:${"0".repeat(64)}`;
    await expect(unpack(zipOf([skill]), "skill", other)).rejects.toMatchObject({
      ...{ code: "hash_mismatch", details: { expected: other, found: contentHash } },
    });
  });
});

describe("a disk that is full", () => {
  it("ends the unpacking with its own error, and nothing more is written", async () => {
    let written = 0;
    let kept = 0;
    const full: Blobs = {
      ...blobs,
      putStream: (source, maxBytes) => {
        written += 1;
        if (written > 3) throw new Problem("storage_full", "The disk is full");
        return blobs.putStream(source, maxBytes);
      },
    };
    const keep = async () => {
      kept += 1;
    };
    const files = Array.from({ length: 500 }, (_, at) => ({ path: `f${at}`, bytes: `${at}` }));
    const zip = await blobs.put(zipOf(files));
    const failing = openUnpacking({ blobs: full, rows: { keep } });
    await expect(failing.unpack(workspaceId, { kind: "file", zip })).rejects.toMatchObject({
      code: "storage_full",
    });
    expect(kept).toBe(0);
    expect(written).toBeLessThan(20);
  });
});

describe("a text that is a bundle", () => {
  it("is the same as a zip of that one file", async () => {
    const of = (kind: BundleKind, text: string) => unpacking.unpack(workspaceId, { kind, text });
    expect(await of("skill", "# hi")).toEqual(await unpack(zipOf([skill])));
    expect(await of("agents_md", "Be brief")).toEqual(
      await unpack(zipOf([{ path: "AGENTS.md", bytes: "Be brief", level: 9 }]), "agents_md"),
    );
  });
});
