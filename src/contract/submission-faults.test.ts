import { expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-ms.ts";
import { submissionFaults } from "./submission-faults.ts";

it("names every credential that is in the wrong place, in the order of what they are in", () => {
  const given = {
    prompt: "x",
    metadata: { b: [{ password: "x" }, { c: { apiKey: "x" } }], a: { refreshToken: null } },
    agent: { id: "a", io: { accepts: { properties: { password: {} } } }, credentials: {} },
    secrets: { anthropic: { apiKey: "x" } },
    input: { agent: { io: { password: "x" } } },
  };
  expect(submissionFaults(given).map(({ path }) => path)).toEqual([
    ["metadata", "b", 0, "password"],
    ["metadata", "b", 1, "c", "apiKey"],
    ["metadata", "a", "refreshToken"],
    ["agent", "credentials"],
    ["input", "agent", "io", "password"],
  ]);
});

it("looks through the largest body at once, however long the names in it are", async () => {
  const leaves = Array.from({ length: 60_000 }, () => ({ apiKey: 1 }));
  let metadata: unknown = leaves;
  for (let depth = 0; depth < 60; depth++) metadata = { ["k".repeat(200_000)]: metadata };
  let faults: ReturnType<typeof submissionFaults> = [];
  const look = () => {
    faults = submissionFaults({ prompt: "x", metadata });
  };
  expect(await cpuMs(look)).toBeLessThan(2_000);
  expect(faults.length).toBeGreaterThan(19);
  expect(faults.length).toBeLessThan(1_000);
  expect(faults[0]?.path).toHaveLength(63);
});
