import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { openBlobs } from "./blobs.ts";
import type { Blobs } from "./content.ts";
import { type SweepOptions, sweepBlobs } from "./sweep.ts";

const hour = 3_600_000;
let dir: string;
const threads = openThreads({ log: openLog("silent") });
let blobs: Blobs;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-sweep-"));
  blobs = await openBlobs({ dir, clock: systemClock, log: openLog("silent"), threads });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const sweep = (options: Partial<SweepOptions> = {}) =>
  sweepBlobs({
    dir,
    blobs,
    isReferenced: async () => false,
    dryRun: false,
    sparesMs: hour,
    clock: systemClock,
    ...options,
  });

async function age(path: string): Promise<void> {
  const then = systemClock.now() / 1000 - 7200;
  await utimes(path, then, then);
}

async function oldBlob(content: string): Promise<string> {
  const { sha256 } = await blobs.put(Buffer.from(content));
  await age(join(dir, "blobs", sha256.slice(7, 9), sha256.slice(9)));
  return sha256;
}

describe("a sweep", () => {
  test("removes old blobs that nothing refers to, and nothing else", async () => {
    const wanted = await oldBlob("wanted");
    const unwanted = await oldBlob("unwanted");
    const young = await blobs.put(Buffer.from("young"));
    const report = await sweep({ isReferenced: async (sha256) => sha256 === wanted });
    expect(report).toEqual({
      dryRun: false,
      blobs: 1,
      bytes: 8,
      tempFiles: 0,
      kept: { blobs: 2, bytes: 11, young: 1 },
    });
    await expect(blobs.get(unwanted)).rejects.toMatchObject({ code: "not_found" });
    expect((await blobs.get(wanted)).toString()).toBe("wanted");
    expect((await blobs.get(young.sha256)).toString()).toBe("young");
    expect(await readdir(join(dir, "blobs", "tmp"))).toEqual([]);
  });

  test("only counts when it is dry", async () => {
    const unwanted = await oldBlob("unwanted");
    expect(await sweep({ dryRun: true })).toMatchObject({ dryRun: true, blobs: 1, bytes: 8 });
    expect((await blobs.get(unwanted)).toString()).toBe("unwanted");
  });

  test("removes old temp files and leaves those that are being written", async () => {
    const temp = join(dir, "blobs", "tmp");
    await writeFile(join(temp, "old"), "x");
    await writeFile(join(temp, "new"), "x");
    await age(join(temp, "old"));
    expect(await sweep()).toMatchObject({ tempFiles: 1 });
    expect(await readdir(temp)).toEqual(["new"]);
  });

  test("spares an old blob that is stored again in the middle of its removal", async () => {
    for (const question of [1, 2]) {
      const sha256 = await oldBlob(`again ${question}`);
      let asked = 0;
      await sweep({
        isReferenced: async (asked256) => {
          if (asked256 === sha256 && ++asked === question) {
            await blobs.put(Buffer.from(`again ${question}`));
          }
          return false;
        },
      });
      expect((await blobs.get(sha256)).toString()).toBe(`again ${question}`);
    }
  });

  test("spares a blob whose row arrives in the middle of its removal", async () => {
    const sha256 = await oldBlob("late");
    let asked = 0;
    const report = await sweep({ isReferenced: async () => ++asked > 1 });
    expect(report).toMatchObject({ blobs: 0, kept: { blobs: 1 } });
    expect((await blobs.get(sha256)).toString()).toBe("late");
  });

  test("never loses what is stored while it sweeps over and over", async () => {
    const contents = Array.from({ length: 20 }, (_, i) => `racing ${i}`);
    const digests = await Promise.all(contents.map(oldBlob));
    const stored = (async () => {
      for (const content of contents) await blobs.put(Buffer.from(content));
    })();
    await sweep();
    await stored;
    for (const sha256 of digests) expect((await blobs.get(sha256)).length).toBeGreaterThan(0);
  });
});
