import fc from "fast-check";
import { expect, test } from "vitest";
import { openCapture } from "./capture.ts";

const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 });

function collect(parts: Uint8Array[], keptBytes: number) {
  let flooded = 0;
  const pieces: { offset: number; text: string }[] = [];
  const capture = openCapture({
    ...{ keptBytes, killedBytes: 500 },
    onFlood: () => {
      flooded += 1;
    },
    onText: (offset, text) => pieces.push({ offset, text }),
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
