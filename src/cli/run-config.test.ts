import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { openTaker, type Taker } from "./submitted.testing.ts";

let taker: Taker;
let dir: string;

beforeAll(async () => {
  taker = await openTaker();
});
afterAll(() => taker.close());
beforeEach(async () => {
  dir = await tempDir("run-config");
});

async function write(name: string, value: unknown): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
}

/** A template with this member beside what every run has. */
const template = (members: object) =>
  write("run.json", { model: "a/b", prompt: "Look", ...members });

async function refused(argv: string[], message: RegExp): Promise<void> {
  taker.arrived.length = 0;
  const { code, out, err } = await taker.airlock(["run", ...argv]);
  expect(err).toMatch(message);
  expect([code, out, taker.arrived]).toEqual([2, "", []]);
}

describe("a template", () => {
  it("is given by its name or by --config, as JSON or as YAML, and means the same", async () => {
    const json = await write("a.json", {
      model: "a/b",
      prompt: ["One", "Two"],
      limits: { turns: 3 },
    });
    const yaml = await write(
      "b.yaml",
      "# A run\nmodel: a/b\nprompt:\n  - One\n  - Two\nlimits: { turns: 3 }\n",
    );
    const wanted = { model: "a/b", prompt: ["One", "Two"], limits: { turns: 3 } };
    for (const argv of [[json], ["--config", json], [yaml], ["--config", yaml]]) {
      expect((await taker.submitted(argv)).json).toEqual(wanted);
    }
  });

  it("gives way to flags: lists take the place of its lists, what has a name is added to it", async () => {
    const path = await template({
      ...{ outputDirs: ["/workspace/a"], metadata: { team: "x", k: 1 }, timeout: "1h" },
      environment: { packages: [{ name: "pip:six" }], envVars: { A: "1", B: "2" } },
      skills: [{ kind: "workspace", id: "skl_abcdefgh" }],
      mcpServers: [
        { name: "one", url: "https://one.example/", headers: { "X-Key": "of-the-file" } },
      ],
    });
    const { json } = await taker.submitted([
      ...[path, "--prompt", "Instead", "--output-dir", "/workspace/b", "--metadata", "k=2"],
      ...["--run-timeout", "5m", "--env", "B=3", "--skill-id", "skl_ijklmnop"],
      ...["--mcp", "two=https://two.example/", "--mcp-auth", "one=x-key:of-the-flag"],
      ...["--allow-host", "a.example"],
    ]);
    expect(json).toEqual({
      ...{ model: "a/b", prompt: "Instead", timeout: "5m", outputDirs: ["/workspace/b"] },
      metadata: { team: "x", k: "2" },
      environment: {
        ...{ packages: [{ name: "pip:six" }], envVars: { A: "1", B: "3" } },
        networking: { mode: "limited", allowedHosts: ["a.example"] },
      },
      skills: [{ kind: "workspace", id: "skl_ijklmnop" }],
      mcpServers: [
        { name: "one", url: "https://one.example/" },
        { name: "two", url: "https://two.example/" },
      ],
      secrets: {
        mcpServers: [
          { name: "one", url: "https://one.example/", headers: { "x-key": "of-the-flag" } },
        ],
      },
    });
  });

  it("does not send the credential of a server to another address that a flag names", async () => {
    const path = await template({
      mcpServers: [
        { name: "one", url: "https://one.example/", headers: { "X-Key": "of-the-file" } },
      ],
    });
    const { json } = await taker.submitted([path, "--mcp", "one=https://other.example/"]);
    expect(json.mcpServers).toEqual([{ name: "one", url: "https://other.example/" }]);
    expect(JSON.stringify(json)).not.toContain("of-the-file");
  });

  it("reads texts and paths from where it is, and takes a doubled @ for a text", async () => {
    await write("task.md", "From a file\n");
    await write("key", "key-from-a-file\n");
    await write("data.csv", "1,2\n");
    await write("AGENTS.md", "Be kind");
    await mkdir(join(dir, "report"));
    await write("report/SKILL.md", "# Report");
    await mkdir(join(dir, "tables"));
    await write("tables/one.txt", "x");
    const path = await template({
      ...{ prompt: ["@task.md", "@@home"], system: "@task.md" },
      secrets: { openai: { apiKey: "@key" }, mistral: { apiKey: "@@key-1234" } },
      files: ["./data.csv", { from: "data.csv", path: "in/a.csv" }, { from: "tables" }],
      skills: ["report", { from: "report", name: "other" }],
      agentsMd: ["AGENTS.md", { kind: "inline", name: "more", content: "@task.md" }],
    });
    const { json, parts } = await taker.submitted([path]);
    expect(json).toMatchObject({
      prompt: ["From a file\n", "@home"],
      system: "From a file\n",
      secrets: { openai: { apiKey: "key-from-a-file" }, mistral: { apiKey: "@key-1234" } },
      files: [{ path: "data.csv" }, { path: "in/a.csv" }, { kind: "transient", name: "tables" }],
      skills: [
        { kind: "transient", name: "report" },
        { kind: "transient", name: "other" },
      ],
      agentsMd: [
        { kind: "transient", name: "agents" },
        { kind: "inline", name: "more", content: "From a file\n" },
      ],
    });
    expect(parts.size).toBeGreaterThan(5);
  });

  it("is strict: a key that is not known is named with its place and those that are", async () => {
    const cases: [object, RegExp][] = [
      [{ promtp: "x" }, /run\.json: unknown key "promtp"\n {2}Permitted are model, .*outputDirs/],
      [
        { environment: { netwrok: {} } },
        /environment: unknown "netwrok"; expected one of networking, packages, envVars/,
      ],
      [
        { skills: [{ from: ".", id: "x" }] },
        /skills\[0\]: unknown key "id"\n {2}Permitted are name/,
      ],
      [
        { skills: [{ kind: "workspace", id: "skl_abcdefgh", x: 1 }] },
        /skills\[0\]: unknown key "x"/,
      ],
      [
        { agentsMd: [{ kind: "inline", name: "a", text: "x" }] },
        /agentsMd\[0\]: unknown key "text"/,
      ],
      [{ files: [{ from: "run.json", mode: 7 }] }, /files\[0\]: unknown key "mode".*sha256/s],
    ];
    for (const [members, message] of cases) await refused([await template(members)], message);
  });

  it("refuses what cannot be in a file, or cannot be at all", async () => {
    const hash = `sha256:${"0".repeat(64)}`;
    const transient = { kind: "transient", slot: "s0", name: "a", contentHash: hash };
    const server = { name: "one", url: "https://one.example/" };
    const cases: [object, RegExp][] = [
      [{ skills: [transient] }, /skills\[0\] is transient, and its bytes cannot be in a config/],
      [{ files: [transient] }, /files\[0\] is transient/],
      [{ files: [{ path: "a", slot: "s0" }] }, /files\[0\] is transient/],
      [{ skills: [{ kind: "s3" }] }, /skills\[0\]\.kind is none that is known here; expected/],
      [{ metadata: { apiKey: "x" } }, /metadata\.apiKey: is a place for no credential/],
      [{ skills: "report" }, /skills must be a list/],
      [
        { mcpServers: [{ name: "a", command: "npx" }] },
        /mcpServers\.0: MCP servers over stdio are not run/,
      ],
      [
        { mcpServers: [{ name: "a", url: "x", transport: "stdio" }] },
        /MCP servers over stdio are not run/,
      ],
      [
        {
          mcpServers: [{ ...server, headers: { "X-Key": "value-123" } }],
          secrets: { mcpServers: [{ ...server, headers: { "X-Key": "value-456" } }] },
        },
        /has headers, and secrets\.mcpServers has some for "one" too/,
      ],
    ];
    for (const [members, message] of cases) await refused([await template(members)], message);
    await refused([await write("list.json", "[1]")], /list\.json must hold an object/);
    await refused([await template({}), "--config", "other.json"], /Give only one of --config/);
  });

  it("is no quotation when it cannot be parsed: it may hold keys", async () => {
    const texts = ['{"secrets": sk-very-secret}', "secrets: [sk-very-secret\nb: {"];
    for (const [at, text] of texts.entries()) {
      const name = at === 0 ? "run.json" : "run.yaml";
      const { code, err } = await taker.airlock(["run", await write(name, text)]);
      expect([code, err]).toEqual([2, expect.stringMatching(/is not (JSON\n|YAML, at line \d+)/)]);
      expect(err).not.toContain("very-secret");
    }
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefg"]
      .map((name, at) => `${name}: &${name} [${`*${"abcdefg"[at]},`.repeat(9)}]`)
      .join("\n")}\n`;
    await refused([await write("bomb.yaml", bomb)], /or more of them than a configuration needs/);
  });

  it("that is not there is an error, and a sentence that ends in its name is none", async () => {
    const { code, err } = await taker.airlock(["run", join(dir, "none.json")]);
    expect([code, err]).toEqual([1, expect.stringContaining("There is no template")]);
    const { json } = await taker.submitted(["--model", "a/b", "Look into none.json"]);
    expect(json).toMatchObject({ message: "Look into none.json" });
  });
});
