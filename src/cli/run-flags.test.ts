import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { readPackage } from "./environment-flags.ts";
import { openTaker, type Taker } from "./submitted.testing.ts";

let taker: Taker;
let dir: string;

beforeAll(async () => {
  taker = await openTaker();
});
afterAll(() => taker.close());
beforeEach(async () => {
  dir = await tempDir("run-flags");
});

const base = ["--model", "a/b", "--prompt", "Look"];
const sent = (...flags: string[]) => taker.submitted([...base, ...flags]);

/** Ends with 2 and sends nothing. */
async function refused(flags: string[], message: RegExp, env: Record<string, string> = {}) {
  taker.arrived.length = 0;
  const { code, out, err } = await taker.airlock(["run", ...base, ...flags], { env });
  expect(err).toMatch(message);
  expect([flags.join(" "), code, out]).toEqual([flags.join(" "), 2, ""]);
  expect(taker.arrived).toEqual([]);
}

describe("the flags of an environment", () => {
  it("say what it may reach, what is installed and which variables there are", async () => {
    const { json } = await sent(
      ...["--allow-host", "api.example.com", "--allow-host", "*.example.org"],
      ...["--package", "pip:requests==2.32.3", "--package", "npm:@org/name@1.2.0"],
      ...["--package", "jq", "--package", "apt:ffmpeg=7:6.1", "--package", "npm:@org/plain"],
      ...[
        "--package",
        "pip:pandas@2.2.0",
        "--env",
        "CITY=Ulm",
        "--env",
        "EMPTY=",
        "--env",
        "E=a=b",
      ],
    );
    expect(json.environment).toEqual({
      networking: { mode: "limited", allowedHosts: ["api.example.com", "*.example.org"] },
      packages: [
        { name: "pip:requests", version: "2.32.3" },
        { name: "npm:@org/name", version: "1.2.0" },
        { name: "jq" },
        { name: "apt:ffmpeg", version: "7:6.1" },
        { name: "npm:@org/plain" },
        { name: "pip:pandas", version: "2.2.0" },
      ],
      envVars: { CITY: "Ulm", EMPTY: "", E: "a=b" },
    });
    expect((await sent("--network", "open")).json.environment).toEqual({
      networking: { mode: "open" },
    });
    expect((await sent()).json).not.toHaveProperty("environment");
  });

  it("are held against the contract before anything is sent", async () => {
    await refused(["--network", "closed"], /Expected one of limited, open/);
    await refused(["--network", "open", "--allow-host", "a.example"], /for mode limited/);
    await refused(["--package", "conda:numpy"], /"conda" is no ecosystem/);
    await refused(["--package", "pip:"], /name of a package after pip:/);
    await refused(["--package", "pip:requests=="], /expected a version at the end of/);
    await refused(["--env", "CITY"], /--env: expected NAME=VALUE.*\n.*--secret-env/);
    await refused(["--env", "AIRLOCK_X=1"], /AIRLOCK_X/);
    await refused(["--env", "lower=1"], /capital letters/);
  });
});

describe("a package", () => {
  it("is a name with a version or without, whatever sign its ecosystem has between them", () => {
    const name = fc.stringMatching(
      /^(npm:@[a-z]{1,8}\/|pip:|apt:|go:[a-z]{1,4}\/)?[a-z][a-z0-9._-]{0,12}$/,
    );
    const version = fc.stringMatching(/^[0-9][0-9a-z.+:~_-]{0,12}$/);
    fc.assert(
      fc.property(name, version, fc.constantFrom("@", "==", "="), (named, wanted, sign) => {
        expect(readPackage(named)).toEqual({ name: named });
        expect(readPackage(`${named}${sign}${wanted}`)).toEqual({ name: named, version: wanted });
      }),
    );
  });
});

describe("a keyless endpoint", () => {
  const declared = {
    ...{ name: "wiki", baseUrl: "https://en.wikipedia.org", authShape: { type: "none" } },
    ...{ allowMethods: ["GET"], allowPathPrefixes: ["/wiki/"] },
  };

  it("needs no credential, and takes none", async () => {
    const flags = ["--proxy-endpoint", JSON.stringify(declared)];
    const { json } = await sent(...flags);
    expect(json.proxyEndpoints).toEqual([declared]);
    expect(json).not.toHaveProperty("secrets");
    const auth = [...flags, "--proxy-auth", "wiki=env:KEY"];
    await refused(auth, /"wiki" takes no credential/, { KEY: "some-key-1234" });
  });
});

describe("what a run may take and keep", () => {
  it("is a deadline in the words of the person, and what becomes of its directories", async () => {
    const { json } = await sent("--run-timeout", "1.5h", "--cleanup", "retain");
    expect(json).toMatchObject({ timeout: "1.5h", cleanup: { session: "retain" } });
  });

  it("is never guessed", async () => {
    for (const text of ["5min", "-5s", "", "soon", "1d", "0x10s", "1e3"]) {
      await refused(["--run-timeout", text], /Expected a duration like/);
      await refused(["--timeout", text], /Expected a duration like/);
    }
    await refused(["--run-timeout", "0s"], /must be more than 0/);
    await refused(["--cleanup", "keep"], /Expected one of retain, delete/);
  });
});

describe("the flags of MCP servers", () => {
  const url = "https://mcp.example/v1?x=1";
  const mcp = ["--mcp", `tickets=${url}`];

  it("declare servers, and keep every header where secrets are", async () => {
    await writeFile(join(dir, "token"), "Basic dXNlcjpwYXNzd29yZA==\n");
    await writeFile(join(dir, "bare"), "from-a-file-123\n");
    const { json } = await taker.submitted(
      [
        ...[...base, ...mcp, "--mcp", "wiki=https://wiki.example/mcp"],
        ...["--mcp", "docs=https://docs.example/mcp", "--mcp", "open=https://open.example/mcp"],
        ...["--mcp-auth", `tickets=X-Key:@${join(dir, "token")}`],
        ...["--mcp-auth", "tickets=X-Team:blue:green", "--mcp-auth", "wiki=env:WIKI_TOKEN"],
        ...["--mcp-auth", "docs=secret:DOCS_TOKEN"],
        ...["--mcp-auth", `open=file:${join(dir, "bare")}`],
      ],
      { env: { WIKI_TOKEN: "wiki-token-123" } },
    );
    expect(json.mcpServers).toEqual([
      { name: "tickets", url },
      { name: "wiki", url: "https://wiki.example/mcp" },
      { name: "docs", url: "https://docs.example/mcp", secret: "DOCS_TOKEN" },
      { name: "open", url: "https://open.example/mcp" },
    ]);
    const { mcpServers, ...rest } = json.secrets as { mcpServers: unknown };
    expect(rest).toEqual({});
    expect(mcpServers).toEqual([
      {
        ...{ name: "tickets", url },
        headers: { "X-Key": "Basic dXNlcjpwYXNzd29yZA==", "X-Team": "blue:green" },
      },
      {
        ...{ name: "wiki", url: "https://wiki.example/mcp" },
        headers: { Authorization: "Bearer wiki-token-123" },
      },
      {
        ...{ name: "open", url: "https://open.example/mcp" },
        headers: { Authorization: "Bearer from-a-file-123" },
      },
    ]);
  });

  it("refuse what is there twice, and servers that nobody declared", async () => {
    const auth = (text: string) => [...mcp, "--mcp-auth", text];
    await refused([...mcp, ...mcp], /--mcp: "tickets" is given twice/);
    await refused(["--mcp", "tickets"], /--mcp: expected NAME=URL/);
    await refused(["--mcp", "tickets=file:///etc/passwd"], /mcpServers\[0\]\.url/);
    await refused(["--mcp", "tickets=https://me:pw@mcp.example/"], /user information/);
    await refused(auth("other=X-Key:value-123"), /no MCP server "other"\n {2}There are: tickets/);
    await refused(["--mcp-auth", "tickets=A:b"], /no MCP server "tickets"\n.*--mcp NAME=URL/);
    const twice = [...auth("tickets=X-Key:value-123"), "--mcp-auth", "tickets=x-key:value-456"];
    await refused(twice, /the header x-key of tickets is given twice/);
    const bearers = [...auth("tickets=env:T"), "--mcp-auth", "tickets=authorization:other-123"];
    await refused(bearers, /the header authorization of tickets is given twice/, {
      T: "token-1234",
    });
    await refused(auth("tickets=env:NOPE"), /the variable "NOPE" is not set/);
  });

  it("give a fork its headers again, and change nothing of its servers", async () => {
    taker.arrived.length = 0;
    const fork = ["fork", "run_01kadz3v6m5c0jx9s2qf8t7w4b", "--mcp-auth"];
    const env = { TICKETS: "tickets-1234" };
    const { code, err } = await taker.airlock([...fork, "tickets=env:TICKETS"], { env });
    expect([code, err]).toEqual([0, ""]);
    const headers = { Authorization: "Bearer tickets-1234" };
    expect(taker.arrived.at(-1)?.json).toMatchObject({
      secrets: { mcpServers: [{ name: "tickets", url: "https://tickets.example/", headers }] },
    });
    const other = await taker.airlock([...fork, "tickets=secret:OTHER"], { env });
    expect([other.code, other.err]).toEqual([2, expect.stringContaining("is declared by the run")]);
    const unknown = await taker.airlock([...fork, "wiki=env:TICKETS"], { env });
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining("There are: tickets")]);
  });

  it("quote no credential when they are used wrongly", async () => {
    for (const text of ["tickets:sk-very-secret", "sk-very-secret", "tickets=sk-very-secret"]) {
      const { code, err } = await taker.airlock(["run", ...base, ...mcp, "--mcp-auth", text]);
      expect(code).toBe(2);
      expect(err).toContain("expected NAME=HEADER:VALUE");
      expect(err).not.toContain("very-secret");
    }
  });
});

describe("the flags of skills, instructions and files", () => {
  async function skill(name: string): Promise<string> {
    const path = join(dir, name);
    await mkdir(join(path, "scripts"), { recursive: true });
    await writeFile(join(path, "SKILL.md"), "# Report\n");
    await writeFile(join(path, "scripts", "run.sh"), "#!/bin/sh\n");
    await chmod(join(path, "scripts", "run.sh"), 0o755);
    return path;
  }

  it("send directories along, and name what is elsewhere", async () => {
    const [report, again] = [await skill("report"), await skill("Again & Again")];
    await writeFile(join(dir, "AGENTS.md"), "Be kind\n");
    await writeFile(join(dir, "data.csv"), "1,2\n");
    await mkdir(join(dir, "reference"));
    await writeFile(join(dir, "reference", "table.txt"), "x");
    const { json, parts } = await sent(
      ...["--skill", report, "--skill", again, "--skill", `other=${report}`],
      ...["--skill-id", "skl_01kadz3v6m5c0jx9s2qf8t7w4b"],
      ...["--provider-skill", "anthropic:pdf", "--provider-skill", "custom:x:2"],
      ...["--agents-md", join(dir, "AGENTS.md"), "--agents-md", "amd_01kadz3v6m5c0jx9s2qf8t7w4b"],
      ...["--file", join(dir, "data.csv"), "--file", `${join(dir, "data.csv")}=in/a.csv`],
      ...["--file", `${join(dir, "data.csv")}:/workspace/in/b.csv`],
      ...["--file", `${join(dir, "reference")}:/opt/reference`],
      ...["--file", "fil_01kadz3v6m5c0jx9s2qf8t7w4b"],
    );
    const contentHash = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
    const transient = { kind: "transient", slot: expect.any(String), contentHash };
    expect(json.skills).toEqual([
      { ...transient, name: "report" },
      { ...transient, name: "again-again" },
      { ...transient, name: "other" },
      { kind: "workspace", id: "skl_01kadz3v6m5c0jx9s2qf8t7w4b" },
      { kind: "provider", vendor: "anthropic", skillId: "pdf" },
      { kind: "provider", vendor: "custom", skillId: "x", version: "2" },
    ]);
    expect(json.agentsMd).toEqual([
      { ...transient, name: "agents" },
      { kind: "workspace", id: "amd_01kadz3v6m5c0jx9s2qf8t7w4b" },
    ]);
    expect(json.files).toEqual([
      expect.objectContaining({ path: "data.csv" }),
      expect.objectContaining({ path: "in/a.csv" }),
      expect.objectContaining({ path: "in/b.csv" }),
      { ...transient, name: "reference", mountPath: "/opt/reference" },
      { kind: "workspace", id: "fil_01kadz3v6m5c0jx9s2qf8t7w4b" },
    ]);
    const slots = (kind: string, list: unknown) =>
      (list as { slot?: string }[]).flatMap(({ slot }) => (slot ? [`${kind}:${slot}`] : []));
    const named = [
      ...slots("skill", json.skills),
      ...slots("agentsmd", json.agentsMd),
      ...slots("file", json.files),
    ];
    expect([...parts.keys()].filter((name) => name !== "submission").sort()).toEqual(named.sort());
    for (const name of named.filter((one) => one.startsWith("skill:"))) {
      expect(parts.get(name)?.subarray(0, 2).toString()).toBe("PK");
    }
  });

  it("refuse what is no skill, no file, or not there", async () => {
    await writeFile(join(dir, "plain.txt"), "x");
    await mkdir(join(dir, "empty"));
    const at = (name: string) => join(dir, name);
    await refused(["--skill", at("plain.txt")], /--skill: .*plain\.txt is no directory/);
    await refused(["--skill", at("empty")], /SKILL\.md|no files/);
    await refused(["--agents-md", at("empty")], /--agents-md: .*empty is a directory/);
    await refused(["--provider-skill", "anthropic"], /expected VENDOR:ID/);
    await refused(["--provider-skill", "acme:pdf"], /vendor/);
    await refused(["--skill", `RulesPack=${await skill("good")}`], /RulesPack/);
    await refused(["--file", `${at("empty")}:/etc/x`], /no files|must be below/);
    const missing = await taker.airlock(["run", ...base, "--skill", at("nowhere")]);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("ENOENT")]);
  });
});
