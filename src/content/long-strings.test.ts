import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { openThreads } from "../base/threads.ts";
import { referredBlobs } from "../contract/blob-ref.ts";
import { BlobRef } from "../contract/event.ts";
import { openBlobs } from "./blobs.ts";
import type { Blobs } from "./content.ts";
import { restore, shorten } from "./long-strings.ts";

const threads = openThreads({ log: openLog("silent") });
let dir: string;
let blobs: Blobs;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "airlock-strings-"));
  blobs = await openBlobs({ dir, clock: systemClock, log: openLog("silent"), threads });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** The reference that a long string becomes, made into a value of the caller's own. */
async function lookAlike(text: string): Promise<unknown> {
  return shorten(text, blobs, 1);
}

describe("shorten", () => {
  test("names a long string by digest, size and first kilobyte, and stores it", async () => {
    const text = "ä".repeat(2_000);
    const ref = BlobRef.parse(await shorten(text, blobs, 1_024));
    expect(ref.bytes).toBe(4_000);
    expect(ref.head).toBe("ä".repeat(512));
    expect((await blobs.get(ref.blob)).toString()).toBe(text);
  });

  test("measures in bytes and leaves what is just short enough", async () => {
    expect(await shorten("ä".repeat(5), blobs, 10)).toBe("ä".repeat(5));
    expect(await shorten("ä".repeat(5), blobs, 9)).toMatchObject({ bytes: 10 });
  });

  test.each(["a", "ä", "€", "😀"])(
    "cuts the head of a text of %s between characters",
    async (char) => {
      for (const before of ["", "x", "xy", "xyz"]) {
        const text = before + char.repeat(1_100);
        const { head } = BlobRef.parse(await shorten(text, blobs, 100));
        expect(text.startsWith(head)).toBe(true);
        expect(head.isWellFormed()).toBe(true);
        const bytes = Buffer.byteLength(head);
        expect(bytes).toBeLessThanOrEqual(1_024);
        expect(bytes).toBeGreaterThan(1_020);
      }
    },
  );

  test("leaves a value of short strings as it is", async () => {
    const value = { a: ["b", 1, null, true, { c: "d" }] };
    expect(await shorten(value, blobs, 100)).toEqual(value);
  });

  test("marks a caller's object that looks like a reference, so that it stays what it is", async () => {
    const secret = await lookAlike("the text of somebody else");
    const shortened = await shorten({ claim: secret }, blobs, 1_000);
    expect(referredBlobs(shortened)).toEqual(new Set());
    expect(await restore(shortened, blobs)).toEqual({ claim: secret });
  });

  test("tells which blobs a value refers to", async () => {
    const value = await shorten({ a: "long enough", b: [{ c: "another one" }] }, blobs, 5);
    expect(referredBlobs(value).size).toBe(2);
  });
});

describe("restore(shorten(x))", () => {
  const digest = fc.constant(`sha256:${"ab".repeat(32)}`);
  const { value: anything } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 30 }),
          fc.constantFrom("$literal", "$json", "blob", "__proto__"),
        ),
        tie("value"),
        { maxKeys: 3 },
      ),
      fc.record({ blob: digest, bytes: fc.nat(), head: fc.string({ maxLength: 20 }) }),
      fc.record({ $literal: tie("value") }),
      fc.record({ $json: tie("value") }),
    ),
  }));

  test("is x, for any JSON value, any limit, and values made to confuse it", async () => {
    const blobTexts = new Map<string, Buffer>();
    // The same contract in memory: thousands of syncs to disk would only make the property slower.
    const inMemory = {
      ...blobs,
      async put(bytes: Uint8Array) {
        const sha256 = (await import("node:crypto")).hash("sha256", bytes);
        blobTexts.set(`sha256:${sha256}`, Buffer.from(bytes));
        return { sha256: `sha256:${sha256}`, bytes: bytes.length };
      },
      get: async (sha256: string) => blobTexts.get(sha256) ?? Buffer.alloc(0),
    };
    await fc.assert(
      fc.asyncProperty(anything, fc.integer({ min: 0, max: 30 }), async (made, limit) => {
        const x = JSON.parse(JSON.stringify(made) ?? "null");
        const shortened = await shorten(x, inMemory, limit);
        const travelled = JSON.parse(JSON.stringify(shortened));
        expect(await restore(travelled, inMemory)).toStrictEqual(x);
        expect(await restore(await shorten(shortened, inMemory, limit), inMemory)).toStrictEqual(
          shortened,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("keeps lone surrogates, next to each other and to characters of every width", async () => {
    for (const text of [
      "\ud800",
      "\udc00\ud800",
      "a\ud83d",
      "\ude00😀\ud83d€\udfff",
      "\ufffd\ud800",
    ]) {
      const long = text.repeat(20);
      expect(await restore(await shorten(long, blobs, 10), blobs)).toBe(long);
    }
  });

  test("fails by name when a blob is gone", async () => {
    const ref = { blob: `sha256:${"0".repeat(64)}`, bytes: 3, head: "abc" };
    await expect(restore({ deep: [ref] }, blobs)).rejects.toMatchObject({ code: "not_found" });
  });
});
