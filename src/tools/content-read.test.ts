import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentRead } from "./content-read.ts";
import type { ToolContext } from "./tool.ts";

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A run that wrote these bytes as `a.txt`. */
function contextWith(bytes: Buffer): ToolContext {
  const sha256 = digestOf(bytes);
  const version = {
    runId: "run",
    name: "a.txt",
    visibility: "session",
    sha256,
    bytes: bytes.length,
    order: 1,
  };
  return {
    runId: "run",
    content: async () => [version],
    agentFiles: [],
    skillFiles: async () => [],
    blobs: { get: async () => bytes },
  } as unknown as ToolContext;
}

interface Page {
  ok: boolean;
  content: string;
  total_bytes: number;
  truncated?: boolean;
  next_offset?: number;
}

async function read(context: ToolContext, more: object = {}): Promise<Page> {
  const { result } = await contentRead.run({ name_or_handle: "a.txt", ...more }, context);
  return result as unknown as Page;
}

/** Of one to four bytes a character, some of several code points. */
const text = fc
  .array(fc.constantFrom("a", "\n", "é", "✓", "😀", "👩‍🔧", "\u0301", "\0"), { maxLength: 200 })
  .map((parts) => parts.join(""));

describe("content_read", () => {
  it("gives pages that, read one after the other, are the whole text", async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 4, max: 50 }), async (whole, limit) => {
        const context = contextWith(Buffer.from(whole));
        let joined = "";
        let pages = 0;
        for (let offset: number | undefined = 0; offset !== undefined; pages++) {
          const page = await read(context, { offset, limit });
          expect(Buffer.byteLength(page.content)).toBeLessThanOrEqual(limit);
          expect(page.total_bytes).toBe(Buffer.byteLength(whole));
          expect(page.truncated ?? false).toBe(page.next_offset !== undefined);
          joined += page.content;
          offset = page.next_offset;
        }
        expect(joined).toBe(whole);
        // Every page but the last goes on by at least one character.
        expect(pages).toBeLessThanOrEqual(Buffer.byteLength(whole) + 1);
      }),
    );
  });

  it("never shows half a character, wherever a page is asked to begin", async () => {
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.nat(900),
        fc.integer({ min: 4, max: 20 }),
        async (whole, offset, limit) => {
          const { content } = await read(contextWith(Buffer.from(whole)), { offset, limit });
          expect(content).not.toContain("\uFFFD");
          expect(whole).toContain(content);
        },
      ),
    );
  });

  it("gives the whole text when nothing is asked for, by name, handle and alias", async () => {
    const bytes = Buffer.from("hello ✓");
    const context = contextWith(bytes);
    const sha256 = digestOf(bytes);
    for (const name_or_handle of ["a.txt", sha256, `cnt_${sha256.slice(7, 15)}`]) {
      expect(await read(context, { name_or_handle })).toEqual({
        ok: true,
        content: "hello ✓",
        name: "a.txt",
        handle: sha256,
        alias: `cnt_${sha256.slice(7, 15)}`,
        total_bytes: bytes.length,
      });
    }
  });

  it("suggests what is near, names what there is, and says where else a file may be", async () => {
    const context = contextWith(Buffer.from("x"));
    expect(await read(context, { name_or_handle: "a.text" })).toMatchObject({
      ok: false,
      error: "content_not_found",
      available: ["a.txt"],
      repair_hint: expect.stringContaining("a.txt"),
    });
    expect(await read(context, { name_or_handle: "zzz" })).toMatchObject({
      repair_hint: expect.stringContaining("sandbox_exec"),
    });
    // What kind of error it is never depends on words in a name (weakness 29).
    for (const name of ["policy.py", "permission denied.txt", "invalid"]) {
      const missing = await read(context, { name_or_handle: name });
      expect(missing).toMatchObject({ error_type: "resource", error: "content_not_found" });
    }
  });

  it("says that bytes are not text", async () => {
    expect(await read(contextWith(Buffer.from([0xff, 0xfe])))).toMatchObject({
      ok: false,
      error_type: "validation",
      repair_hint: expect.stringContaining("/tmp/a.txt"),
    });
  });
});
