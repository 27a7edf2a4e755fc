import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import type { Capability } from "../contract/agent.ts";
import type { Finding } from "../contract/finding.ts";
import { decide, explain, type Need, type Power } from "./policy.ts";

type CodeNeed = Extract<Need, { type: "CodeExecution" }>;

const run = (secrets: string[], command = "true", more: Partial<CodeNeed> = {}): CodeNeed => ({
  ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
  ...{ network: "granted", installsFrom: null, secrets },
  ...more,
});
const code = (...patterns: string[]): Capability => ({ type: "CodeExecution", patterns });
const everything: Capability[] = [code("*"), { type: "NetworkAccess", hosts: ["*"] }];
const all: Power = { capabilities: everything };
const rules = (need: CodeNeed, power: Power) => decide(need, power).reasons.map(({ rule }) => rule);

describe("a call that wants secrets", () => {
  it.each<[what: string, need: CodeNeed, power: Power]>([
    ["everything is allowed", run(["KEY"]), all],
    ["it has no network", run(["KEY"], "true", { network: "none" }), all],
    ["it is a program", run(["KEY"], "", { command: null }), all],
    ["its manifest declares them", run(["KEY"]), { ...all, credentialEnv: ["KEY", "MORE"] }],
    ["every grant allows the command", run(["KEY"]), { ...all, grants: [everything] }],
    [
      "hosts that are not covered are denied unasked",
      run(["KEY"]),
      { ...all, remoteAccess: { approval_mode: "deny" } },
    ],
    [
      "what is covered needs nobody",
      run(["KEY"]),
      { ...all, remoteAccess: { approval_mode: "preapproved" } },
    ],
  ])("is asked about although %s", (_, need, power) => {
    expect(decide({ ...need, secrets: [] }, power).decision).toBe("allow");
    expect(decide(need, power)).toMatchObject({
      decision: "ask",
      rule: 'A person decides: It would have the secret "KEY" in its environment',
      reasons: [
        {
          ...{ rule: "secret_in_environment", token: "KEY", offset: null, capability: null },
          narrowest_change: expect.stringContaining("proxy endpoint"),
        },
      ],
    });
  });

  it("is asked about with all of their names first, and then with what else there is to ask", () => {
    const finding: Finding = {
      ...{ kind: "url", host: "api.example:443", file: null, line: 1 },
      ...{ pattern: "curl", reason: "it fetches" },
    };
    const asked = decide(run(["A", "B"], "$x y", { findings: [finding] }), {
      capabilities: [code("*")],
    });
    expect(asked.reasons.map(({ rule }) => rule)).toEqual([
      "secret_in_environment",
      "opaque_command",
      "network_uncovered",
    ]);
    expect(asked).toMatchObject({ decision: "ask", askedHosts: ["api.example:443"] });
    expect(asked.rule).toBe(
      'A person decides: It would have the secrets "A", "B" in its environment (and 2 more)',
    );
    expect(explain(run(["A"]), all)).toMatchObject({
      decision: "ask",
      rule: expect.stringContaining('secret "A"'),
    });
  });

  it("is denied with each name that the manifest does not declare, and with what would change that", () => {
    const power: Power = { ...all, credentialEnv: ["B"] };
    expect(decide(run(["A", "B", "C"]), power)).toEqual({
      decision: "deny",
      rule: `sandbox command denied by CodeExecution policy: The agent's credential_env does not have "A"`,
      reasons: ["A", "C"].map((name) => ({
        ...{ rule: "secret_not_declared", token: name, offset: null, capability: null },
        message: `The agent's credential_env does not have "${name}"`,
        narrowest_change: `Add "${name}" to the agent's credential_env`,
      })),
      ...{ hosts: [], askedHosts: [] },
      repairHint: "Do without it; the secrets that you may ask for: B",
    });
    expect(decide(run(["A"]), { ...all, credentialEnv: [] })).toMatchObject({
      ...{ decision: "deny", repairHint: expect.stringMatching(/: none$/) },
    });
  });

  it("gets no further by a secret: what may not run is denied for that", () => {
    expect(rules(run(["KEY"], "rm -rf x"), all)).toEqual(["forbidden_destructive"]);
    expect(rules(run(["KEY"]), { capabilities: [] })).toEqual(["capability_missing"]);
    expect(rules(run(["KEY"], "ls"), { capabilities: [code("cat ")] })).toEqual([
      "pattern_missing",
    ]);
    const grant = { ...all, grants: [[code("cat ")]] };
    expect(rules(run(["KEY"], "ls"), grant)).toEqual(["pattern_missing"]);
  });

  it("is never simply allowed, whatever its power is", () => {
    const names = fc.uniqueArray(fc.constantFrom("A", "B", "C"), { minLength: 1 });
    const power = fc.record({
      capabilities: fc.constantFrom(everything, [code("*")], [code("true")]),
      credentialEnv: fc.option(fc.subarray(["A", "B", "C"]), { nil: undefined }),
    });
    const network = fc.constantFrom("granted" as const, "none" as const);
    fc.assert(
      fc.property(names, power, network, (secrets, has, way) => {
        const { decision } = decide(run(secrets, "true", { network: way }), has);
        const declared = secrets.every((name) => has.credentialEnv?.includes(name) ?? true);
        expect(decision).toBe(declared ? "ask" : "deny");
      }),
    );
  });
});
