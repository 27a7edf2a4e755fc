import fc from "fast-check";
import { expect, test } from "vitest";
import { redactor } from "../egress/egress.ts";
import { openCapture } from "./capture.ts";

const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 });

type Cleaner = Parameters<typeof openCapture>[0]["cleaner"];

function collect(parts: Uint8Array[], keptBytes: number, more: { cleaner?: Cleaner } = {}) {
  let flooded = 0;
  const pieces: { offset: number; text: string }[] = [];
  const capture = openCapture({
    ...{ keptBytes, killedBytes: 500 },
    onFlood: () => {
      flooded += 1;
    },
    onText: (offset, text) => pieces.push({ offset, text }),
    ...more,
  });
  for (const part of parts) capture.add(Buffer.from(part));
  return { said: capture.finish(), flooded, pieces };
}

test("head, tail and count are those of the whole stream", () => {
  fc.assert(
    fc.property(chunks, fc.nat({ max: 600 }), (parts, keptBytes) => {
      const whole = Buffer.concat(parts);
      const { said, flooded } = collect(parts, keptBytes);
      expect(said.totalBytes).toBe(whole.length);
      expect(said.kept).toEqual(whole.subarray(0, keptBytes));
      expect(said.tail).toEqual(whole.subarray(keptBytes));
      expect(flooded).toBe(whole.length > 500 ? 1 : 0);
    }),
  );
});

test("live text, put together, is the text of the head, however it was cut", () => {
  const cuts = fc.array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), cuts, (text, sizes) => {
      const whole = Buffer.from(text);
      const parts: Buffer[] = [];
      for (let i = 0, at = 0; at < whole.length; i++) {
        const size = (sizes[i % sizes.length] ?? 0) + 1;
        parts.push(whole.subarray(at, at + size));
        at += size;
      }
      const { pieces } = collect(parts, 10_000);
      expect(pieces.map((piece) => piece.text).join("")).toBe(whole.toString("utf8"));
      for (const { offset, text: piece } of pieces) {
        const bytes = Buffer.from(piece);
        expect(whole.subarray(offset, offset + bytes.length)).toEqual(bytes);
      }
    }),
  );
});

test("the tail of a flood is its last 64 KiB, whatever the size of its pieces", () => {
  const whole = Buffer.from(Array.from({ length: 400_000 }, (_, i) => i % 251));
  for (const size of [1000, 65_536, 400_000]) {
    const parts: Buffer[] = [];
    for (let at = 0; at < whole.length; at += size) parts.push(whole.subarray(at, at + size));
    expect(collect(parts, 10).said.tail.equals(whole.subarray(-65_536))).toBe(true);
  }
});

const secret = "Xq7-canary-Zk3pLw9";
const known = redactor([secret]);
const cleaner = () => known.stream();

test("what a cleaner cuts out is in no part of it, however the stream is cut, and the parts fit together", async () => {
  const words = fc.constantFrom("a word ", secret, Buffer.from(secret).toString("hex"), "\n", "é");
  await fc.assert(
    fc.asyncProperty(
      fc.array(words, { maxLength: 30 }),
      fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 8 }),
      fc.nat({ max: 300 }),
      async (text, sizes, keptBytes) => {
        const whole = Buffer.from(text.join(""));
        const parts: Buffer[] = [];
        for (let i = 0, at = 0; at < whole.length; i++) {
          const size = (sizes[i % sizes.length] ?? 0) + 1;
          parts.push(whole.subarray(at, at + size));
          at += size;
        }
        const { said, pieces } = collect(parts, keptBytes, { cleaner });
        const wanted = Buffer.from(await known.bytes(whole));
        expect(Buffer.concat([said.kept, said.tail]).toString()).toBe(wanted.toString());
        expect(said.kept.equals(wanted.subarray(0, keptBytes))).toBe(true);
        expect(said.totalBytes).toBe(wanted.length);
        let at = 0;
        for (const { offset, text: piece } of pieces) {
          expect(offset).toBe(at);
          at += Buffer.byteLength(piece);
        }
      },
    ),
  );
});

test("the tail of a flood holds no secret, and no end of one that begins in what is left out", () => {
  const tail = 64 * 1024;
  for (const before of [576 * 1024, 512 * 1024, tail, secret.length]) {
    for (const shift of [0, 1, 9, secret.length - 1, secret.length]) {
      const behind = Buffer.alloc(before - shift, ".");
      const whole = Buffer.concat([Buffer.alloc(700_000, "-"), Buffer.from(secret), behind]);
      const parts: Buffer[] = [];
      for (let at = 0; at < whole.length; at += 9_999) parts.push(whole.subarray(at, at + 9_999));
      const { said } = collect(parts, 10, { cleaner });
      const shown = said.tail.toString();
      expect([before, shift, shown.replace(/\[?[redact]*\]/, "").match(/[^-.]/g)]).toEqual([
        ...[before, shift, null],
      ]);
      expect(shown.length).toBeLessThanOrEqual(tail);
      expect(shown.length).toBeGreaterThan(tail - secret.length - 20);
      expect(said.totalBytes).toBe(whole.length);
    }
  }
});
