import { describe, expect, it } from "vitest";
import { readCommand } from "../analysis/analysis.ts";
import type { Capability } from "../contract/agent.ts";
import type { Finding } from "../contract/finding.ts";
import { decide, explain, grantedHosts, type Need, type Power } from "./policy.ts";

type CodeNeed = Extract<Need, { type: "CodeExecution" }>;

const run = (command: string, more: Partial<CodeNeed> = {}): CodeNeed => ({
  ...{ type: "CodeExecution", command: readCommand(command), shown: command, findings: [] },
  ...{ network: "granted", installsFrom: null, secrets: [] },
  ...more,
});
const code = (...patterns: string[]): Capability => ({ type: "CodeExecution", patterns });
const net = (...hosts: string[]): Capability => ({ type: "NetworkAccess", hosts });
const finding = (kind: Finding["kind"], host: string | null, file: string | null): Finding => ({
  ...{ kind, host, file, line: 3, pattern: "x()", reason: "it is known for it" },
});
const denied = "sandbox command denied by CodeExecution policy";

describe("what a person and a model are told of a command that may not run", () => {
  const unmatched = (command: string, ...patterns: string[]) =>
    decide(run(command), { capabilities: [code(...patterns)] }).reasons;

  it.each([
    ["npm install x", "npm install"],
    ["npm -g install", "npm "],
    ["npm $x", "npm "],
    ["npm", "npm "],
    ["npm ./x", "npm "],
    ["npm run-script x", "npm run-script"],
    ["pip3 install x", "pip3 install"],
    ["apt-get update", "apt-get update"],
    ["git log", "git log"],
    ["python3 x", "python3 "],
    ["gitx log", "gitx "],
    ["xgit log", "xgit "],
    ["git Log", "git "],
    ["git log=x", "git "],
    ["./git log", "./git "],
  ])("the least pattern that lets %j run is %j", (command, pattern) => {
    const [reason] = unmatched(command, "ls ");
    expect(reason).toMatchObject({
      rule: "pattern_missing",
      narrowest_change: `Add ${JSON.stringify(pattern)} to the patterns of CodeExecution`,
      capability: code(pattern),
    });
    expect(decide(run(command), { capabilities: [code(pattern)] }).decision).not.toBe("deny");
  });

  it("there is no pattern for a program that nobody knows", () => {
    expect(unmatched("$x y", "ls ")).toEqual([
      {
        ...{ rule: "pattern_missing", token: "$x", offset: 0, narrowest_change: null },
        ...{ message: `No pattern of the agent's CodeExecution covers "$x"`, capability: null },
      },
    ]);
  });

  it("each list says for itself what it lacks, and at most fifty commands are named (I13)", () => {
    const { reasons } = decide(run("evil x"), {
      capabilities: [code("ls ")],
      grants: [[code("evil ")], [code("wc ")]],
    });
    expect(reasons.map(({ message }) => message)).toEqual([
      `No pattern of the agent's CodeExecution covers "evil"`,
      `No pattern of the run tree's CodeExecution covers "evil"`,
    ]);
    expect(unmatched("evil\n".repeat(60), "ls ")).toHaveLength(50);
    expect(unmatched("rm x\n".repeat(60), "*")).toHaveLength(50);
    const opaque = decide(run("$x\n".repeat(60)), { capabilities: [code("*")] });
    expect([opaque.decision, opaque.reasons.length]).toEqual(["ask", 50]);
  });

  it("a list without CodeExecution is named, with what would have to be given", () => {
    const { rule, reasons } = decide(run("ls"), { capabilities: [], grants: [[code("ls ")], []] });
    const agent = "The agent does not have the capability CodeExecution";
    expect(rule).toBe(`${denied}: ${agent}`);
    expect(reasons.map((one) => [one.rule, one.message, one.narrowest_change])).toEqual([
      ["capability_missing", agent, "Give it CodeExecution with the commands that it needs"],
      [
        ...[
          "grant_missing",
          "The grant of the run tree does not have the capability CodeExecution",
        ],
        "Give it CodeExecution with the commands that it needs",
      ],
    ]);
  });

  it.each([
    ["rm x", "destructive", `"rm" destroys files`, "rm "],
    ["sudo ls", "privilege", `"sudo" changes privileges`, "sudo "],
    ["printenv", "environment", `"printenv" discloses the environment`, "printenv "],
  ])("%s is forbidden unless it is declared by name", (command, family, message, pattern) => {
    const { decision, rule, reasons, repairHint } = decide(run(command), {
      capabilities: [code("*", "ls ")],
    });
    expect([decision, rule]).toEqual(["deny", `${denied}: ${message}`]);
    const change = `Declare the CodeExecution pattern "${pattern}": * does not include it`;
    expect(reasons[0]).toMatchObject({
      ...{ rule: `forbidden_${family}`, message, narrowest_change: change },
      capability: code(pattern),
    });
    expect(repairHint).toBe(
      `Do without ${pattern.trim()}: no agent may run it unless a pattern names it. Allowed commands: \`*\`, \`ls\``,
    );
    const named = decide(run(command), { capabilities: [code("*", pattern)] });
    expect(named.decision).toBe("allow");
  });

  it("a redirect of the environment has no pattern that would allow it", () => {
    const { reasons } = decide(run("cat < /proc/1/environ"), { capabilities: [code("*", "cat ")] });
    expect(reasons[0]).toMatchObject({
      ...{ rule: "forbidden_environment", narrowest_change: null, capability: null },
    });
  });
});

describe("the retry that a refusal offers", () => {
  const hint = (command: string, capabilities: Capability[], grants: Capability[][] = []) =>
    decide(run(command), { capabilities, grants }).repairHint;
  const plain = "Use only allowed commands, each on its own: ";

  it("is a shell that every list may use, the first that there is", () => {
    expect(hint("evil x", [code("sh -c ", "bash -c ")])).toBe("Call it again as: bash -c 'evil x'");
    expect(hint("evil x", [code("sh -c ", "ls ")])).toBe("Call it again as: sh -c 'evil x'");
    expect(hint("evil x", [code("sh -c ")], [[code("bash -c ")]])).toBe(`${plain}\`sh -c\``);
    expect(hint("evil x", [code("sh -c "), code("ls ")], [[code("sh -c ")]])).toBe(
      "Call it again as: sh -c 'evil x'",
    );
    expect(hint("evil x", [code("ls ", "wc ", "ls")])).toBe(`${plain}\`ls\`, \`wc\``);
  });

  it("does not repeat a long command", () => {
    const long = `evil ${"x".repeat(1_995)}`;
    expect(hint(long, [code("sh -c ")])).toBe(`Call it again as: sh -c '${long}'`);
    expect(hint(`${long}x`, [code("sh -c ")])).toBe("Call it again as: sh -c '<the command>'");
  });

  it("is not offered for an agent without CodeExecution", () => {
    expect(hint("evil", [])).toBeUndefined();
  });
});

describe("what a person is asked", () => {
  it("names what hides, where, and how to write it instead", () => {
    const { rule, reasons } = decide(run("ls; $x"), { capabilities: [code("*")] });
    expect(rule).toMatch(/^A person decides: .+: "\$x"$/);
    expect(reasons[0]).toMatchObject({
      ...{ token: "$x", offset: 4 },
      narrowest_change: "Write the program as a plain word, so that it can be read before it runs",
    });
  });

  it("names each finding with its place and the least that would cover it", () => {
    const findings = [
      finding("url", "a.example:443", "/tmp/x.py"),
      finding("opaque", null, null),
      finding("call", null, "/tmp/y.py"),
    ];
    const { rule, reasons } = decide(run("ls", { findings }), { capabilities: [code("*")] });
    expect(rule).toBe(
      "A person decides: /tmp/x.py:3 reaches a.example:443, which no NetworkAccess covers (and 2 more)",
    );
    const token = { token: "x()", offset: null };
    expect(reasons).toEqual([
      {
        ...{ ...token, rule: "network_uncovered", capability: net("a.example:443") },
        message: "/tmp/x.py:3 reaches a.example:443, which no NetworkAccess covers",
        narrowest_change:
          "Add a.example:443 to NetworkAccess, and to remote_access.targets when it has any",
      },
      {
        ...{ ...token, rule: "network_hidden", capability: net("*") },
        message: 'The command hides what it does (it is known for it): "x()"',
        narrowest_change: "Write it so that it can be read, or give NetworkAccess to *",
      },
      {
        ...{ ...token, rule: "network_uncovered", capability: null },
        message: '/tmp/y.py:3 uses the network (it is known for it): "x()"',
        narrowest_change: "Give NetworkAccess to the hosts that it needs",
      },
    ]);
    const many = Array.from({ length: 60 }, () => finding("call", null, "x"));
    expect(
      decide(run("ls", { findings: many }), { capabilities: [code("*")] }).reasons,
    ).toHaveLength(50);
  });

  it("names the hosts that packages come from, as far as nothing covers them", () => {
    const asked = (installsFrom: string[], ...hosts: string[]) =>
      decide(run("ls", { installsFrom }), { capabilities: [code("*"), net(...hosts)] });
    const change = "Give NetworkAccess to the hosts of the packages, or run without dependencies";
    expect(asked(["b.example:443", "a.example:443", "c.example:443"], "c.example")).toMatchObject({
      reasons: [
        {
          ...{ rule: "packages_uncovered", narrowest_change: change },
          message:
            "Packages are installed from b.example:443, a.example:443, which no NetworkAccess covers",
          capability: net("b.example:443", "a.example:443"),
        },
      ],
      askedHosts: ["a.example:443", "b.example:443"],
    });
    expect(asked([]).reasons[0]).toMatchObject({
      ...{ message: "Packages are installed, which no NetworkAccess covers", capability: null },
    });
  });
});

describe("what a refusal of the network says", () => {
  const power: Power = { capabilities: [code("*")], remoteAccess: { approval_mode: "deny" } };
  const packager =
    "Let packager.default build an artifact with the packages as a layer, and run that; or run without dependencies";

  it("is how to go on without it", () => {
    const findings = [finding("url", "a.example:443", null)];
    expect(decide(run("ls", { findings }), power)).toMatchObject({
      decision: "deny",
      rule: `${denied}: The command reaches a.example:443, which no NetworkAccess covers`,
      repairHint:
        "Do without the network, use a host that is allowed, or call again with network: none",
    });
    expect(decide(run("ls", { installsFrom: ["a.example:443"] }), power)).toMatchObject({
      ...{ decision: "deny", repairHint: packager },
    });
    expect(decide(run("ls"), power).decision).toBe("allow");
    expect(decide(run("$x"), power).decision).toBe("ask");
  });

  it("is that packages need one", () => {
    const message = "Packages are installed over the network, and this call has none";
    const none = decide(run("ls", { network: "none", installsFrom: [] }), power);
    expect(none).toMatchObject({
      ...{ decision: "deny", rule: `${denied}: ${message}`, repairHint: packager },
      reasons: [
        { rule: "packages_uncovered", message, narrowest_change: "Leave out network: none" },
      ],
      ...{ hosts: [], askedHosts: [] },
    });
  });
});

describe("the rule of what is allowed", () => {
  const rule = (command: string, capabilities: Capability[], more: Partial<CodeNeed> = {}) =>
    decide(run(command, more), { capabilities }).rule;

  it("names the patterns that were used, each once and nine at most", () => {
    expect(rule("wc x; ls; wc y", [code("ls ", "wc ", "cat ")])).toBe("CodeExecution wc, ls");
    expect(rule("", [code("ls ", "wc ")])).toBe("CodeExecution ls ");
    expect(rule("ls", [code("ls ")], { command: null })).toBe("CodeExecution ls ");
    const names = Array.from({ length: 12 }, (_, n) => `p${n} `);
    expect(rule(names.join("\n"), [code(...names)]).split(", ")).toHaveLength(9);
  });

  it("names the hosts that stand open", () => {
    expect(rule("ls", [code("*"), net("a.example", "b.example:80")])).toBe(
      "CodeExecution *; NetworkAccess a.example b.example:80",
    );
    expect(rule("ls", [code("*"), net("a.example", "*")])).toBe(
      "CodeExecution *; NetworkAccess * (any public host)",
    );
    expect(grantedHosts([net("a", "b"), code("*"), net("b", "c")])).toEqual(["a", "b", "c"]);
  });
});

describe("a host that the gateway would reach for an agent", () => {
  const need: Need = { type: "NetworkAccess", host: "A.example" };
  const change = {
    narrowest_change: "Add A.example to NetworkAccess",
    capability: net("A.example"),
  };

  it("is allowed, asked for or refused, with the reason and the least that would change it", () => {
    expect(decide(need, { capabilities: [net("a.example", "b.example")] })).toEqual({
      ...{ decision: "allow", rule: "NetworkAccess a.example b.example", reasons: [] },
      ...{ hosts: ["a.example", "b.example"], askedHosts: [] },
    });
    const message = "No NetworkAccess covers A.example";
    const reason = {
      rule: "network_uncovered",
      message,
      token: "A.example",
      offset: null,
      ...change,
    };
    expect(decide(need, { capabilities: [net("b.example")] })).toEqual({
      ...{ decision: "ask", rule: `A person decides: ${message}`, reasons: [reason] },
      ...{ hosts: ["b.example"], askedHosts: ["a.example:443"] },
    });
    const remoteAccess = { approval_mode: "deny" as const };
    expect(decide(need, { capabilities: [net("b.example")], remoteAccess })).toEqual({
      ...{ decision: "deny", rule: message, reasons: [reason], hosts: [], askedHosts: [] },
    });
  });

  it("is refused without asking where a list has no NetworkAccess at all", () => {
    const agent = "The agent does not have the capability NetworkAccess";
    expect(decide(need, { capabilities: [code("*")], grants: [[]] })).toEqual({
      ...{ decision: "deny", rule: agent, hosts: [], askedHosts: [] },
      reasons: [
        { rule: "capability_missing", message: agent, token: null, offset: null, ...change },
      ],
    });
    const tree = "The grant of the run tree does not have the capability NetworkAccess";
    expect(decide(need, { capabilities: [net("*")], grants: [[]] })).toMatchObject({
      ...{ rule: tree, reasons: [{ rule: "grant_missing" }] },
    });
  });
});

describe("explain()", () => {
  it("shows the words of each command, without those that are empty", () => {
    const { commands, hosts } = explain(run("ls '' 'a b'  c"), {
      capabilities: [code("*"), net("a.example")],
    });
    expect(commands).toEqual([{ text: "ls a b c", program: "ls", offset: 0, via: [] }]);
    expect(hosts).toEqual(["a.example"]);
    expect(explain(run("x", { command: null }), { capabilities: [code("*")] }).commands).toEqual(
      [],
    );
  });
});
