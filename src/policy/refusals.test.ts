import { describe, expect, it } from "vitest";
import type { Capability } from "../contract/agent.ts";
import { decide, type Need } from "./policy.ts";

const spawn = (agent: string | null, children: number): Need => ({
  ...{ type: "AgentSpawn", agent, children },
});
const wake = (intervalSeconds: number, reasoning: boolean): Need => ({
  ...{ type: "BackgroundReevaluation", intervalSeconds, reasoning },
});

/** A need, a list that has the type but not enough of it, what is said, and the least that is missing. */
const table: [Need, Capability, string, Capability | null][] = [
  [
    { type: "ReadAccess", name: "secret/x" },
    { type: "ReadAccess", scopes: ["a"] },
    `No scope of the agent's ReadAccess covers "secret/x"`,
    { type: "ReadAccess", scopes: ["secret/x"] },
  ],
  [
    { type: "WriteAccess", name: null },
    { type: "WriteAccess", scopes: [] },
    `No scope of the agent's WriteAccess covers ""`,
    null,
  ],
  [
    { type: "SandboxFunctions", name: "web_fetch" },
    { type: "SandboxFunctions", allowed: ["knowledge."] },
    `No entry of the agent's SandboxFunctions covers "web_fetch"`,
    { type: "SandboxFunctions", allowed: ["web_fetch"] },
  ],
  [
    spawn("coder", 3),
    { type: "AgentSpawn", max_children: 2 },
    `No entry of the agent's AgentSpawn covers "coder" as child 3`,
    { type: "AgentSpawn", max_children: 3, agents: ["coder"] },
  ],
  [
    spawn(null, 3),
    { type: "AgentSpawn", max_children: 2, agents: ["coder"] },
    `No entry of the agent's AgentSpawn covers "*" as child 3`,
    { type: "AgentSpawn", max_children: 3 },
  ],
  [
    spawn("planner", 0),
    { type: "AgentSpawn", max_children: 2, agents: ["coder"] },
    `No entry of the agent's AgentSpawn covers "planner" as child 0`,
    { type: "AgentSpawn", max_children: 1, agents: ["planner"] },
  ],
  [
    { type: "AgentMessage", agent: "planner" },
    { type: "AgentMessage", patterns: ["coder.*"] },
    `No pattern of the agent's AgentMessage covers "planner"`,
    { type: "AgentMessage", patterns: ["planner"] },
  ],
  [
    { type: "AgentMessage", agent: null },
    { type: "AgentMessage", patterns: [] },
    `No pattern of the agent's AgentMessage covers "*"`,
    null,
  ],
  [
    { type: "AgentInstall", agent: "weather" },
    { type: "AgentInstall", agents: ["coder"] },
    `No pattern of the agent's AgentInstall covers "weather"`,
    { type: "AgentInstall", agents: ["weather"] },
  ],
  [
    { type: "AgentInstall", agent: null },
    { type: "AgentInstall", agents: [] },
    `No pattern of the agent's AgentInstall covers "*"`,
    { type: "AgentInstall" },
  ],
  [
    wake(59.5, false),
    { type: "BackgroundReevaluation", min_interval_secs: 60, allow_reasoning: true },
    "No entry of the agent's BackgroundReevaluation covers every 59.5 s without reasoning",
    { type: "BackgroundReevaluation", min_interval_secs: 59, allow_reasoning: false },
  ],
  [
    wake(0.5, true),
    { type: "BackgroundReevaluation", min_interval_secs: 60, allow_reasoning: false },
    "No entry of the agent's BackgroundReevaluation covers every 0.5 s with reasoning",
    { type: "BackgroundReevaluation", min_interval_secs: 1, allow_reasoning: true },
  ],
  [
    { type: "PromotionRecord", role: "evaluator" },
    { type: "PromotionRecord", role: "auditor" },
    `No entry of the agent's PromotionRecord has the role "evaluator"`,
    { type: "PromotionRecord", role: "evaluator" },
  ],
  [
    { type: "PromotionRecord", role: "king" },
    { type: "PromotionRecord", role: "auditor" },
    `No entry of the agent's PromotionRecord has the role "king"`,
    null,
  ],
];

const changeFor = (need: Need, least: Capability | null) =>
  least === null ? `Give it ${need.type}` : `Add ${JSON.stringify(least)}`;

describe("a refusal", () => {
  it.each(table)(
    "of %j under %j says what is missing, and the least that would change it",
    (...row) => {
      const [need, has, message, least] = row;
      const { decision, rule, reasons, hosts, askedHosts } = decide(need, { capabilities: [has] });
      expect([decision, rule, hosts, askedHosts]).toEqual(["deny", message, [], []]);
      const kind = /as child|every/.test(message) ? "limit_exceeded" : "scope_missing";
      expect(reasons).toEqual([
        {
          ...{ rule: kind, message, token: null, offset: null },
          ...{ narrowest_change: changeFor(need, least), capability: least },
        },
      ]);
    },
  );

  it.each(table)("of %j says that the whole capability is missing where it is", (...row) => {
    const [need, , , least] = row;
    const message = `The agent does not have the capability ${need.type}`;
    expect(decide(need, { capabilities: [] })).toMatchObject({
      ...{ decision: "deny", rule: message },
      reasons: [{ rule: "capability_missing", message, narrowest_change: changeFor(need, least) }],
    });
  });

  it("says whose list it is, and the first in the order of the lists is the rule (I13)", () => {
    const need: Need = { type: "ReadAccess", name: "b" };
    const only: Capability[] = [{ type: "ReadAccess", scopes: ["a"] }];
    const missing = "The grant of the run tree does not have the capability ReadAccess";
    const decision = decide(need, { capabilities: only, grants: [[], only] });
    expect(decision.rule).toBe(`No scope of the agent's ReadAccess covers "b"`);
    expect(decision.reasons.map(({ rule, message }) => [rule, message])).toEqual([
      ["scope_missing", `No scope of the agent's ReadAccess covers "b"`],
      ["grant_missing", missing],
      ["scope_missing", `No scope of the run tree's ReadAccess covers "b"`],
    ]);
    const wide: Capability[] = [{ type: "ReadAccess", scopes: ["*"] }];
    expect(decide(need, { capabilities: wide, grants: [[]] }).rule).toBe(missing);
  });

  it("does not repeat a long name", () => {
    const rule = (length: number) =>
      decide(
        { type: "ReadAccess", name: "x".repeat(length) },
        { capabilities: [{ type: "ReadAccess", scopes: [] }] },
      ).rule;
    expect(rule(120)).toContain(`"${"x".repeat(120)}"`);
    expect(rule(121)).toContain(`"${"x".repeat(119)}…"`);
  });
});

describe("a permission", () => {
  it("names the rule that gave it, which is the agent's own", () => {
    const rule = (need: Need, capabilities: Capability[]) =>
      decide(need, { capabilities, grants: [capabilities] }).rule;
    expect(rule(spawn("coder", 2), [{ type: "AgentSpawn", max_children: 2 }])).toBe(
      "AgentSpawn up to 2",
    );
    expect(rule({ type: "EmergencyStop" }, [{ type: "EmergencyStop" }])).toBe("EmergencyStop");
    const wakes: Capability = {
      ...{ type: "BackgroundReevaluation", min_interval_secs: 60, allow_reasoning: true },
    };
    expect(rule(wake(60, true), [wakes])).toBe("BackgroundReevaluation every 60 s");
    expect(rule(wake(60, false), [wakes])).toBe("BackgroundReevaluation every 60 s");
    const reads: Capability[] = [{ type: "ReadAccess", scopes: ["b", "a*"] }];
    expect(rule({ type: "ReadAccess", name: "ab" }, reads)).toBe("ReadAccess a*");
    const own: Capability[] = [{ type: "ReadAccess", scopes: ["ab"] }];
    expect(
      decide({ type: "ReadAccess", name: "ab" }, { capabilities: own, grants: [reads] }).rule,
    ).toBe("ReadAccess ab");
  });
});
