import { describe, expect, it } from "vitest";
import type { Capability } from "../contract/agent.ts";
import { builtInCapabilities, decide, hasCapability, type Need } from "./policy.ts";

const read = (name: string): Need => ({ type: "ReadAccess", name });
const write = (name: string): Need => ({ type: "WriteAccess", name });
const run = (command: string): Need => ({ type: "CodeExecution", command });

const reports: Capability[] = [
  { type: "ReadAccess", scopes: ["self.*"] },
  { type: "WriteAccess", scopes: ["reports/*", "summary.md"] },
];

describe("decide()", () => {
  const table: [string, Need, Capability[], "allow" | "deny", string][] = [
    ["built-in reads", read("a.txt"), builtInCapabilities, "allow", "ReadAccess self.*"],
    ["built-in writes", write("a.txt"), builtInCapabilities, "allow", "WriteAccess self.*"],
    ["built-in runs code", run("true"), builtInCapabilities, "allow", "CodeExecution *"],
    ["prefix", write("reports/q1.md"), reports, "allow", "WriteAccess reports/*"],
    ["exact", write("summary.md"), reports, "allow", "WriteAccess summary.md"],
    ["exact is not a prefix", write("summary.md.bak"), reports, "deny", "summary.md.bak"],
    ["other name", write("secrets/x"), reports, "deny", "WriteAccess"],
    ["missing capability", run("true"), reports, "deny", "CodeExecution"],
    ["no capabilities", read("a"), [], "deny", "ReadAccess"],
  ];
  for (const [name, need, capabilities, decision, inRule] of table) {
    it(`${decision}s: ${name}`, () => {
      const answer = decide(need, capabilities);
      expect(answer.decision).toBe(decision);
      expect(answer.rule).toContain(inRule);
    });
  }
});

describe("hasCapability()", () => {
  it("hides what an agent can never be allowed", () => {
    expect(hasCapability(reports, "CodeExecution")).toBe(false);
    expect(hasCapability(reports, "WriteAccess")).toBe(true);
  });
});
