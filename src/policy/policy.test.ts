import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import type { Capability } from "../contract/agent.ts";
import { builtInCapabilities, decide, hasCapability, type Need } from "./policy.ts";

const read = (name: string): Need => ({ type: "ReadAccess", name });
const write = (name: string): Need => ({ type: "WriteAccess", name });
const run = (
  command: string,
  more: Partial<Extract<Need, { type: "CodeExecution" }>> = {},
): Need => ({
  ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
  ...{ network: "granted", installsFrom: null },
  ...more,
});

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
      const answer = decide(need, { capabilities });
      expect(answer.decision).toBe(decision);
      expect(answer.rule).toContain(inRule);
    });
  }
});

describe("what a call may reach", () => {
  const networked: Capability[] = [
    ...builtInCapabilities,
    { type: "NetworkAccess", hosts: ["index.example", "*.files.example"] },
    { type: "NetworkAccess", hosts: ["index.example", "git.example:8443"] },
  ];
  const hosts = ["index.example", "*.files.example", "git.example:8443"];

  it("is what every NetworkAccess of the agent lists, and nothing without one", () => {
    expect(decide(run("true"), { capabilities: networked }).hosts).toEqual(hosts);
    expect(decide(run("true"), { capabilities: networked }).rule).toContain("git.example:8443");
    expect(decide(run("true"), { capabilities: builtInCapabilities }).hosts).toEqual([]);
    expect(decide(run("true"), { capabilities: [{ type: "NetworkAccess", hosts }] })).toMatchObject(
      {
        decision: "deny",
        hosts: [],
      },
    );
  });

  it("is nothing for a call that refuses it, and for one that runs no code", () => {
    expect(decide(run("true", { network: "none" }), { capabilities: networked }).hosts).toEqual([]);
    expect(decide(read("a"), { capabilities: networked }).hosts).toEqual([]);
  });

  it("is said loudly when it is everything", () => {
    const open: Capability[] = [...builtInCapabilities, { type: "NetworkAccess", hosts: ["*"] }];
    expect(decide(run("true"), { capabilities: open }).rule).toContain("any public host");
  });

  it("decides whether packages can be installed, with a way to go on", () => {
    expect(decide(run("true", { installsFrom: [] }), { capabilities: networked }).decision).toBe(
      "allow",
    );
    const denied = [
      decide(run("true", { installsFrom: [] }), { capabilities: builtInCapabilities }),
      decide(run("true", { installsFrom: [], network: "none" }), { capabilities: networked }),
    ];
    for (const one of denied) {
      expect(one.decision).toBe("deny");
      expect(one.repairHint).toContain("packager.default");
    }
  });
});

describe("hasCapability()", () => {
  it("hides what an agent can never be allowed", () => {
    expect(hasCapability(reports, "CodeExecution")).toBe(false);
    expect(hasCapability(reports, "WriteAccess")).toBe(true);
  });
});
