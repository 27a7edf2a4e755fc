import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openEventSourceParser, type SourceEvent } from "./event-source.ts";

function read(pieces: string[], maxChars = 1_000_000): SourceEvent[] {
  const parser = openEventSourceParser(maxChars);
  return pieces.flatMap((piece) => parser.feed(piece));
}

/** What another reader of the same format makes of it. */
function readElsewhere(pieces: string[]): SourceEvent[] {
  const events: SourceEvent[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => void events.push({ id, event, data }),
  });
  for (const piece of pieces) parser.feed(piece);
  return events;
}

const line = fc.oneof(
  fc.constantFrom("", "", "data", "data:", "data: x", "data:  x", "data: {}", "event: a", "event:"),
  fc.constantFrom(
    "id: 1",
    "id",
    "id:\u0000x",
    "retry: 10",
    ": ping",
    ":",
    "dat: x",
    "Data: x",
    " data: x",
  ),
  fc.string({ unit: fc.constantFrom("d", "a", "t", ":", " ", "é", "😀", "\u0000", "\uFEFF", "i") }),
);
const stream = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r", "\r\n")))
  .map((lines) => lines.map(([text, end]) => text + end).join(""));

describe("reading an event stream", () => {
  it("gives what another reader gives, wherever the stream is cut", () => {
    const cuts = fc.array(fc.nat(200), { maxLength: 12 });
    const property = fc.property(stream, cuts, fc.boolean(), (text, at, mark) => {
      const whole = mark ? `\uFEFF${text}` : text;
      const places = [0, ...at.map((n) => Math.min(n, whole.length)), whole.length];
      places.sort((a, b) => a - b);
      const pieces = places.slice(1).map((end, n) => whole.slice(places[n], end));
      // A half of the end of a line that never comes is held back there.
      const ended = [...pieces, "\n:\n"];
      expect(read(ended)).toEqual(readElsewhere(ended));
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it("drops an event that the stream ends in the middle of", () => {
    expect(read(["data: 1\n\ndata: 2\n"])).toEqual([
      { data: "1", event: undefined, id: undefined },
    ]);
  });

  it("keeps no more of one event than it may, in one line or in many", () => {
    expect(() => read(["data: ", ...Array.from({ length: 30 }, () => "xxxxx")], 100)).toThrow(
      RangeError,
    );
    expect(() =>
      read(
        Array.from({ length: 30 }, () => "data: xxxx\n"),
        100,
      ),
    ).toThrow(/longer than/);
    const many = Array.from({ length: 1000 }, () => "data: xxxx\n\n");
    expect(read(many, 100)).toHaveLength(1000);
  });
});
