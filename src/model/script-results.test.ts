import { describe, expect, it } from "vitest";
import type { Message } from "./model.ts";
import { withResults } from "./script-results.ts";

const messages: Message[] = [
  { role: "user", text: "go" },
  {
    role: "tool",
    results: [
      { toolCallId: "call_0_0", tool: "a", result: { layers: [{ id: "x" }, { id: "y" }] } },
      { toolCallId: "call_0_1", tool: "b", result: { ref: "ar.1" } },
    ],
  },
];

describe("arguments of a script", () => {
  it("take fields of earlier results, wherever they stand", () => {
    const written = {
      layers: { $result: "0.0.layers" },
      one: [{ $result: "0.0.layers.1.id" }],
      deep: { ref: { $result: "0.1.ref" } },
    };
    expect(withResults(written, messages)).toEqual({
      layers: [{ id: "x" }, { id: "y" }],
      one: ["y"],
      deep: { ref: "ar.1" },
    });
  });

  it.each(["0.2.ref", "1.0.layers", "0.0.layers.7", "0.0.constructor", "", "0.1.ref.length"])(
    "stay as they are when %j is not there",
    (wanted) => {
      expect(withResults({ $result: wanted }, messages)).toEqual({ $result: wanted });
    },
  );

  it("are themselves when nothing is referred to", () => {
    const value = { a: 1, b: [null, "x"], $result: "0.1.ref", other: true };
    expect(withResults(value, messages)).toEqual(value);
  });
});
