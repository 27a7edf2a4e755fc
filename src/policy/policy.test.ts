import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import type { Capability } from "../contract/agent.ts";
import type { Finding } from "../contract/finding.ts";
import {
  builtInCapabilities,
  decide,
  explain,
  hasCapability,
  type Need,
  type Power,
} from "./policy.ts";

type CodeNeed = Extract<Need, { type: "CodeExecution" }>;

const read = (name: string): Need => ({ type: "ReadAccess", name });
const write = (name: string): Need => ({ type: "WriteAccess", name });
const run = (command: string, more: Partial<CodeNeed> = {}): CodeNeed => ({
  ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
  ...{ network: "granted", installsFrom: null, secrets: [] },
  ...more,
});

const reports: Capability[] = [
  { type: "ReadAccess", scopes: ["self.*"] },
  { type: "WriteAccess", scopes: ["reports/*", "summary.md"] },
];

const spawns: Capability = { type: "AgentSpawn", max_children: 2, agents: ["coder.*", "planner"] };
const wakes: Capability = {
  ...{ type: "BackgroundReevaluation", min_interval_secs: 60, allow_reasoning: false },
};

describe("decide()", () => {
  const table: [string, Need, Capability[], "allow" | "deny", string][] = [
    ["built-in reads", read("a.txt"), builtInCapabilities, "allow", "ReadAccess self.*"],
    ["built-in writes", write("a.txt"), builtInCapabilities, "allow", "WriteAccess self.*"],
    ["built-in runs code", run("true"), builtInCapabilities, "allow", "CodeExecution *"],
    ["prefix", write("reports/q1.md"), reports, "allow", "WriteAccess reports/*"],
    ["exact", write("summary.md"), reports, "allow", "WriteAccess summary.md"],
    ["exact is not a prefix", write("summary.md.bak"), reports, "deny", "summary.md.bak"],
    ["other name", write("secrets/x"), reports, "deny", "WriteAccess"],
    ["some of it", { type: "WriteAccess", name: null }, reports, "allow", "WriteAccess reports/*"],
    ["missing capability", run("true"), reports, "deny", "CodeExecution"],
    ["no capabilities", read("a"), [], "deny", "ReadAccess"],
    ...sandboxFunctions(),
    ...agents(),
    ...others(),
  ];
  for (const [name, need, capabilities, decision, inRule] of table) {
    it(`says ${decision}: ${name}`, () => {
      const answer = decide(need, { capabilities });
      expect(answer.decision).toBe(decision);
      expect(answer.rule).toContain(inRule);
      expect(answer.reasons.length > 0).toBe(decision === "deny");
    });
    it(`gives the least that would change it: ${name}`, () => {
      const least = decide(need, { capabilities }).reasons.flatMap(
        ({ capability }) => capability ?? [],
      );
      if (least.length === 0) return;
      expect(decide(need, { capabilities: [...capabilities, ...least] }).decision).toBe("allow");
    });
    it(`is bounded by the grant of the run tree (I13): ${name}`, () => {
      const bounded = (grant: Capability[]) =>
        decide(need, { capabilities, grants: [grant] }).decision;
      expect(bounded([])).toBe("deny");
      expect(bounded(capabilities)).toBe(decision);
    });
  }

  function sandboxFunctions(): typeof table {
    const tools: Capability[] = [{ type: "SandboxFunctions", allowed: ["knowledge.", "web*"] }];
    const call = (name: string): Need => ({ type: "SandboxFunctions", name });
    return [
      ["a function by its prefix", call("knowledge_store"), tools, "allow", "knowledge."],
      ["the dotted spelling", call("knowledge.store"), tools, "allow", "SandboxFunctions"],
      ["a prefix with a star", call("web_fetch"), tools, "allow", "web*"],
      ["another function", call("secrets_get"), tools, "deny", "secrets_get"],
      ["no function at all", call("knowledge_store"), reports, "deny", "SandboxFunctions"],
    ];
  }

  function agents(): typeof table {
    const spawn = (agent: string | null, children = 1): Need => ({
      ...{ type: "AgentSpawn", agent, children },
    });
    const talk: Capability[] = [{ type: "AgentMessage", patterns: ["coder.*"] }];
    const message = (agent: string | null): Need => ({ type: "AgentMessage", agent });
    const install: Capability[] = [{ type: "AgentInstall" }];
    const some: Capability[] = [{ type: "AgentInstall", agents: ["weather"] }];
    const installs = (agent: string): Need => ({ type: "AgentInstall", agent });
    return [
      ["an agent by prefix", spawn("coder.default"), [spawns], "allow", "AgentSpawn"],
      ["any agent at all", spawn(null), [spawns], "allow", "AgentSpawn"],
      ["another agent", spawn("auditor.default"), [spawns], "deny", "auditor.default"],
      ["a child too many", spawn("planner", 3), [spawns], "deny", "child 3"],
      ["a message", message("coder.x"), talk, "allow", "AgentMessage coder.*"],
      ["a message to another", message("planner"), talk, "deny", "planner"],
      ["any installation", installs("weather"), install, "allow", "AgentInstall *"],
      ["one installation", installs("weather"), some, "allow", "AgentInstall weather"],
      ["another installation", installs("coder"), some, "deny", "coder"],
    ];
  }

  function others(): typeof table {
    const wake = (intervalSeconds: number, reasoning = false): Need => ({
      ...{ type: "BackgroundReevaluation", intervalSeconds, reasoning },
    });
    const audits: Capability[] = [{ type: "PromotionRecord", role: "auditor" }];
    const promote = (role: string): Need => ({ type: "PromotionRecord", role });
    const stop: Need = { type: "EmergencyStop" };
    return [
      ["waking up", wake(60), [wakes], "allow", "every 60 s"],
      ["waking too often", wake(59), [wakes], "deny", "every 59 s"],
      ["waking to reason", wake(60, true), [wakes], "deny", "with reasoning"],
      ["a promotion", promote("auditor"), audits, "allow", "PromotionRecord auditor"],
      ["a promotion as another", promote("evaluator"), audits, "deny", "evaluator"],
      ["an emergency stop", stop, [{ type: "EmergencyStop" }], "allow", "EmergencyStop"],
      ["an emergency stop without", stop, reports, "deny", "EmergencyStop"],
    ];
  }
});

describe("a command that may not run", () => {
  const coder: Power = {
    capabilities: [{ type: "CodeExecution", patterns: ["python3 ", "bash -c "] }],
  };

  it("is told with the rule, the token, its place and the least that would allow it", () => {
    const { rule, reasons } = decide(run("python3 x.py && npm install left-pad"), coder);
    expect(rule).toMatch(/^sandbox command denied by CodeExecution policy: /);
    expect(reasons).toEqual([
      {
        rule: "pattern_missing",
        message: 'No pattern of the agent\'s CodeExecution covers "npm"',
        token: "npm",
        offset: 16,
        narrowest_change: 'Add "npm install" to the patterns of CodeExecution',
        capability: { type: "CodeExecution", patterns: ["npm install"] },
      },
    ]);
  });

  it("comes with the very retry, which is allowed", () => {
    const { repairHint = "" } = decide(run("cd 'a b' && python3 x.py | head"), coder);
    expect(repairHint).toBe(`Call it again as: bash -c 'cd '\\''a b'\\'' && python3 x.py | head'`);
    const retry = repairHint.slice(repairHint.indexOf("bash -c"));
    expect(decide(run(retry), coder).decision).toBe("allow");
  });

  it("comes with no such retry when it is forbidden", () => {
    const { repairHint, reasons } = decide(run("rm -rf x"), coder);
    expect(repairHint).toContain("`python3`, `bash -c`");
    expect(repairHint).not.toContain("again");
    expect(reasons[0]).toMatchObject({ rule: "forbidden_destructive", token: "rm", offset: 0 });
  });

  it("needs its pattern in the grant of the run tree as well (I13)", () => {
    const grants: Capability[][] = [[{ type: "CodeExecution", patterns: ["python3 "] }]];
    expect(decide(run("python3 x"), { ...coder, grants }).decision).toBe("allow");
    expect(decide(run("bash -c 'python3 x'"), { ...coder, grants }).decision).toBe("deny");
    const removes: Capability[] = [{ type: "CodeExecution", patterns: ["rm "] }];
    const every: Capability[] = [{ type: "CodeExecution", patterns: ["*"] }];
    const remove = (grant: Capability[]) =>
      decide(run("rm x"), { capabilities: removes, grants: [grant] }).decision;
    expect([remove(removes), remove(every)]).toEqual(["allow", "deny"]);
  });

  it("is not asked about when it would be refused anyway", () => {
    expect(decide(run("rm x; $y"), { capabilities: builtInCapabilities }).decision).toBe("deny");
    expect(decide(run("ls; $y"), { capabilities: builtInCapabilities })).toMatchObject({
      decision: "ask",
      reasons: [{ rule: "opaque_command", token: "$y", offset: 4 }],
      askedHosts: [],
    });
  });

  it("is any program of an artifact, which no pattern names, for an agent that runs no code", () => {
    const program = run("main.py", { command: null });
    expect(decide(program, coder).decision).toBe("allow");
    expect(decide(program, { capabilities: reports }).decision).toBe("deny");
  });
});

describe("explain()", () => {
  it("shows every command, the findings and the hosts that a decision rests on", () => {
    const findings: Finding[] = [
      {
        ...{ kind: "command", file: null, line: 1, pattern: "curl b", host: "b.example:443" },
        reason: "curl opens a connection",
      },
    ];
    const need = run("timeout 5 python3 'x y' | bash -c 'curl b'", { findings });
    expect(explain(need, { capabilities: builtInCapabilities })).toMatchObject({
      decision: "ask",
      commands: [
        { text: "python3 x y", program: "python3", offset: 10, via: ["timeout"] },
        { program: "bash", via: [] },
        { text: "curl b", program: "curl", via: ["bash -c"] },
      ],
      findings,
      hosts: ["b.example:443"],
    });
    const other = explain(read("a"), { capabilities: [] });
    expect(other).toMatchObject({ decision: "deny", commands: [], findings: [], hosts: [] });
  });
});

describe("hasCapability()", () => {
  it("hides what an agent can never be allowed", () => {
    expect(hasCapability(reports, "CodeExecution")).toBe(false);
    expect(hasCapability(reports, "WriteAccess")).toBe(true);
  });
});
