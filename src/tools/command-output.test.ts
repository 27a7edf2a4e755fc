import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import { keepStream, shownText } from "./command-output.ts";

const shown = limits.callOutputShownBytes;
const whole = (bytes: Buffer) => ({ kept: bytes, tail: Buffer.alloc(0), totalBytes: bytes.length });

/** What is kept of a stream when the cap is `kept` bytes: the head, and the last 64 KiB beyond it. */
function capped(bytes: Buffer, kept: number) {
  const beyond = bytes.subarray(kept);
  const tail = beyond.subarray(-64 * 1024);
  return { kept: bytes.subarray(0, kept), tail, totalBytes: bytes.length };
}

const gap = /\n\[… (\d+) bytes are left out here …\]\n/;

describe("shownText()", () => {
  it("shows a stream whole as long as it fits", () => {
    const text = "é".repeat(shown / 2);
    expect(shownText(whole(Buffer.from(text)))).toBe(text);
    expect(shownText(whole(Buffer.alloc(0)))).toBe("");
  });

  it("shows head and tail of a longer one, counts what is between, and cuts no character", () => {
    const unit = fc.constantFrom("a", "é", "✓", "😀", "line\n");
    const sizes = fc.integer({ min: 1, max: 3000 });
    fc.assert(
      fc.property(
        fc.array(unit, { minLength: 1, maxLength: 20 }),
        sizes,
        fc.nat(60_000),
        (units, more, kept) => {
          const line = units.join("");
          const text = line.repeat(Math.ceil((shown + more * 40) / Buffer.byteLength(line)) + 1);
          const bytes = Buffer.from(text);
          const said = shownText(capped(bytes, Math.max(shown, kept)));
          const [head = "", leftOut = "", tail = ""] = said.split(gap);
          expect(text.startsWith(head)).toBe(true);
          expect(text.endsWith(tail)).toBe(true);
          expect(Buffer.byteLength(head) + Number(leftOut) + Buffer.byteLength(tail)).toBe(
            bytes.length,
          );
          expect(Buffer.byteLength(said)).toBeLessThan(shown + 100);
          expect(Buffer.byteLength(head)).toBeGreaterThan(shown / 2 - 4);
          expect(Buffer.byteLength(tail)).toBeGreaterThan(shown / 2 - 4);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("shows bytes that are no text as far as they can be shown", () => {
    const said = shownText(whole(Buffer.alloc(shown * 2, 0x80)));
    expect(said).toMatch(gap);
    expect(said).toContain("\uFFFD");
  });
});

describe("keepStream()", () => {
  const kept: Buffer[] = [];
  const context = {
    blobs: {
      put: async (bytes: Uint8Array) => {
        kept.push(Buffer.from(bytes));
        return { sha256: "sha256:x", bytes: bytes.length };
      },
    },
  } as unknown as Parameters<typeof keepStream>[1];

  it("keeps nothing of what was shown whole", async () => {
    expect(await keepStream(whole(Buffer.alloc(shown)), context)).toBeUndefined();
    expect(kept).toEqual([]);
  });

  it("keeps what was longer, and says when it is not all of it", async () => {
    const bytes = Buffer.from(`whole ${"x".repeat(shown * 2)}`);
    expect(await keepStream(whole(bytes), context)).toEqual({
      blob: "sha256:x",
      bytes: bytes.length,
      truncated: false,
    });
    expect(kept[0]?.toString().startsWith("whole x")).toBe(true);
    expect(await keepStream(capped(bytes, shown + 1), context)).toMatchObject({ truncated: true });
  });
});
