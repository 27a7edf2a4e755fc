import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import type { Capability } from "../contract/agent.ts";
import type { Finding } from "../contract/finding.ts";
import type { RemoteAccess } from "../contract/remote-access.ts";
import { builtInCapabilities, decide, type Need, type Power } from "./policy.ts";

type CodeNeed = Extract<Need, { type: "CodeExecution" }>;

const run = (more: Partial<CodeNeed> = {}): CodeNeed => ({
  ...{ type: "CodeExecution", command: readCommand("true"), shown: "true", findings: [] },
  ...{ network: "granted", installsFrom: null, secrets: [] },
  ...more,
});

const finding = (kind: Finding["kind"], host: string | null): Finding => ({
  ...{ kind, host, file: "/tmp/x.py", line: 3, pattern: "x()", reason: "it is known for it" },
});

const hosts = ["index.example", "*.files.example", "git.example:8443"];
const networked: Capability[] = [
  ...builtInCapabilities,
  { type: "NetworkAccess", hosts: ["index.example", "*.files.example"] },
  { type: "NetworkAccess", hosts: ["index.example", "git.example:8443"] },
];
const open: Capability[] = [...builtInCapabilities, { type: "NetworkAccess", hosts: ["*"] }];
const withMode = (
  capabilities: Capability[],
  remoteAccess: RemoteAccess,
  grants: Capability[][] = [],
): Power => ({ capabilities, remoteAccess, grants });

describe("what a call may reach", () => {
  it("is what every NetworkAccess of the agent lists, and nothing without one", () => {
    const answer = decide(run(), { capabilities: networked });
    expect(answer.hosts).toEqual(hosts);
    expect(answer.rule).toContain("git.example:8443");
    expect(decide(run(), { capabilities: builtInCapabilities }).hosts).toEqual([]);
    const noCode: Power = { capabilities: [{ type: "NetworkAccess", hosts }] };
    expect(decide(run(), noCode)).toMatchObject({ decision: "deny", hosts: [] });
  });

  it("is nothing for a call that refuses it, and for one that runs no code", () => {
    expect(decide(run({ network: "none" }), { capabilities: networked }).hosts).toEqual([]);
    expect(decide({ type: "ReadAccess", name: "a" }, { capabilities: networked }).hosts).toEqual(
      [],
    );
  });

  it("is said loudly when it is everything", () => {
    expect(decide(run(), { capabilities: open }).rule).toContain("any public host");
  });

  const table: [string[], string[], string[]][] = [
    [["*"], ["a.example"], ["a.example"]],
    [["a.example"], ["*"], ["a.example"]],
    [["*"], ["*:8443"], []],
    [["*:8443"], ["a.example:8443"], ["a.example:8443"]],
    [["*:8443"], ["a.example"], []],
    [["*:443"], ["a.example"], ["a.example:443"]],
    [["*.example"], ["a.example", "b.test"], ["a.example"]],
    [["*.example"], ["*.a.example"], ["*.a.example"]],
    [["*.example"], ["example"], []],
    [["a.example"], ["a.example:443"], ["a.example:443"]],
    [["a.example"], ["a.example:8443"], []],
    [["A.Example"], ["a.example"], ["A.Example"]],
    [["notexample"], ["*.example"], []],
    [["[::1]:443"], ["[::1]"], ["[::1]:443"]],
    [["a.example", "b.example"], ["b.example", "c.example"], ["b.example"]],
    [["a.example"], [], []],
  ];
  for (const [own, grant, both] of table) {
    it(`is the narrower of ${own.join(" ")} and ${grant.join(" ")} (I13)`, () => {
      const code: Capability = { type: "CodeExecution", patterns: ["*"] };
      const list = (list: string[]): Capability[] => [code, { type: "NetworkAccess", hosts: list }];
      const grants = [list(grant)];
      expect(decide(run(), { capabilities: list(own), grants }).hosts).toEqual(both);
      const targets = grant.map((host) => ({ kind: "host" as const, host }));
      const power: Power = { capabilities: list(own), remoteAccess: { targets } };
      expect(decide(run(), power).hosts).toEqual(both);
    });
  }
});

describe("a finding", () => {
  const decision = (findings: Finding[], power: Power, more: Partial<CodeNeed> = {}) =>
    decide(run({ findings, ...more }), power);

  it("asks for the hosts that nothing covers, each once and in one spelling", () => {
    const findings = [
      finding("url", "z.example:443"),
      finding("command", "INDEX.example:443"),
      finding("call", "B.example:8080"),
      finding("url", "b.example:8080"),
      finding("url", "index.example:8443"),
    ];
    expect(decision(findings, { capabilities: networked })).toMatchObject({
      decision: "ask",
      rule: "A person decides: /tmp/x.py:3 reaches z.example:443, which no NetworkAccess covers (and 3 more)",
      hosts,
      askedHosts: ["b.example:8080", "index.example:8443", "z.example:443"],
    });
  });

  it("without a host needs some access, and one that hides needs access to everything", () => {
    const verdict = (kind: Finding["kind"], capabilities: Capability[]) =>
      decision([finding(kind, null)], { capabilities }).decision;
    for (const kind of ["import", "call", "package_manager"] as const) {
      expect(verdict(kind, builtInCapabilities)).toBe("ask");
      expect(verdict(kind, networked)).toBe("allow");
    }
    expect([verdict("opaque", networked), verdict("opaque", open)]).toEqual(["ask", "allow"]);
  });

  it("that hides is not covered when the targets are named", () => {
    const targets = [{ kind: "host" as const, host: "a.example" }];
    const hidden = [finding("opaque", null)];
    expect(decision(hidden, withMode(open, { targets })).decision).toBe("ask");
    expect(decision(hidden, withMode(open, { targets: [{ kind: "any" }] })).decision).toBe("allow");
  });

  it("asks nothing of a call that has no network, and refuses where nobody may be asked", () => {
    const findings = [finding("url", "a.example:443"), finding("opaque", null)];
    const none = decision(findings, { capabilities: builtInCapabilities }, { network: "none" });
    expect(none).toMatchObject({ decision: "allow", hosts: [], askedHosts: [] });
    const refused = decision(findings, withMode(networked, { approval_mode: "deny" }));
    expect(refused).toMatchObject({ decision: "deny", hosts: [], askedHosts: [] });
    expect(refused.repairHint).toContain("network: none");
    const preapproved = withMode(networked, { approval_mode: "preapproved" });
    expect(decision(findings, preapproved).decision).toBe("ask");
    expect(decision([finding("url", "index.example:80")], preapproved).decision).toBe("allow");
  });

  it("is covered by what the grant of the run tree covers as well (I13)", () => {
    const grants: Capability[][] = [
      [
        { type: "CodeExecution", patterns: ["*"] },
        { type: "NetworkAccess", hosts: ["a.example"] },
      ],
    ];
    const verdict = (host: string) =>
      decision([finding("url", host)], { capabilities: open, grants }).decision;
    expect([verdict("a.example:443"), verdict("b.example:443")]).toEqual(["allow", "ask"]);
  });

  it("never hides an opaque command, network or not", () => {
    const command = readCommand("$x");
    const answer = decision([], { capabilities: open }, { command, network: "none" });
    expect(answer).toMatchObject({ decision: "ask", reasons: [{ rule: "opaque_command" }] });
  });
});

describe("packages that a call installs", () => {
  const installs = (installsFrom: string[], power: Power, more: Partial<CodeNeed> = {}) =>
    decide(run({ installsFrom, ...more }), power);

  it("are covered by the hosts that they come from, and asked for otherwise", () => {
    const power: Power = { capabilities: networked };
    expect(installs(["index.example:443"], power).decision).toBe("allow");
    expect(installs([], power).decision).toBe("allow");
    expect(installs(["pkg.example:443", "index.example:443"], power)).toMatchObject({
      decision: "ask",
      reasons: [{ rule: "packages_uncovered" }],
      askedHosts: ["pkg.example:443"],
    });
    expect(installs([], { capabilities: builtInCapabilities }).decision).toBe("ask");
  });

  it("are refused with a way to go on where nobody may be asked, and without a network", () => {
    const refused = [
      installs(["a.example:443"], withMode(builtInCapabilities, { approval_mode: "deny" })),
      installs(["index.example:443"], { capabilities: networked }, { network: "none" }),
    ];
    for (const one of refused) {
      expect(one.decision).toBe("deny");
      expect(one.repairHint).toContain("packager.default");
    }
  });
});

describe("a host that the gateway would reach for an agent", () => {
  const reach = (host: string, power: Power) => decide({ type: "NetworkAccess", host }, power);

  it("needs NetworkAccess, and a person where that does not cover it", () => {
    const power: Power = { capabilities: networked };
    expect(reach("index.example:443", power).decision).toBe("allow");
    expect(reach("Other.example", power)).toMatchObject({
      decision: "ask",
      askedHosts: ["other.example:443"],
    });
    expect(reach("other.example", withMode(networked, { approval_mode: "deny" })).decision).toBe(
      "deny",
    );
    expect(reach("index.example", { capabilities: builtInCapabilities }).decision).toBe("deny");
    expect(reach("index.example", { ...power, grants: [[]] }).decision).toBe("deny");
  });
});
