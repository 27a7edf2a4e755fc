import { expect, it } from "vitest";
import { showCost } from "./run-summary.ts";

it("a cost is shown in as many digits as its size asks for, and what is not known as that", () => {
  expect([0, 0.00004, 0.0123, 0.5, 1, 12.345].map(showCost)).toEqual([
    "$0.00",
    "< $0.0001",
    "$0.0123",
    "$0.5000",
    "$1.00",
    "$12.35",
  ]);
  expect(showCost(null)).toBe("cost unknown");
});
