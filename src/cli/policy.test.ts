import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { typed } from "../../test/support/terminal.ts";
import type { Explanation } from "../contract/explanation.ts";

const denied: Explanation = {
  ...{
    decision: "deny",
    rule: "No pattern of CodeExecution covers it",
    hosts: ["example.org:443"],
  },
  reasons: [
    {
      ...{ rule: "pattern_missing", message: "No pattern covers \x1b[2Jcurl", token: "curl\u202e" },
      ...{ offset: 6, narrowest_change: "Add the pattern `curl `" },
      capability: { type: "CodeExecution", patterns: ["curl "] },
    },
  ],
  commands: [
    { text: "curl\u202e -s\nx", program: "curl", offset: 6, via: ["env", "timeout"] },
    { text: "$X", program: null, offset: 0, via: [] },
  ],
  findings: [
    {
      ...{ kind: "command", file: null, line: 1, pattern: "curl", host: "example.org:443" },
      reason: "curl talks to hosts",
    },
  ],
};

let server: Server;
let url: string;
let dir: string;
let decision: Explanation["decision"];
const asked: unknown[] = [];
beforeEach(async () => {
  decision = "deny";
  asked.length = 0;
  dir = mkdtempSync(join(tmpdir(), "airlock-policy-"));
  server = createServer(async (request, response) => {
    asked.push(JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString()));
    response.writeHead(200).end(JSON.stringify({ ...denied, decision }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true });
});

const explain = (...argv: string[]) => typed(["policy", "explain", ...argv], { url });

describe("airlock policy explain", () => {
  it("says what was decided, why, and the least that would change it", async () => {
    const { code, out } = await explain("--", "env timeout 5 curl -s x");
    expect(code).toBe(1);
    expect(out).toBe(
      [
        "deny  No pattern of CodeExecution covers it",
        "  No pattern covers \\u{1b}[2Jcurl  (pattern_missing)",
        "    it is about curl\\u{202e} at 6",
        "    to allow it: Add the pattern `curl `",
        '    {"type":"CodeExecution","patterns":["curl "]}',
        "what would be started",
        "  curl  (through env, timeout)",
        "  │ curl\\u{202e} -s",
        "  │ x",
        "  a program that is not known before",
        "  │ $X",
        "what it could reach",
        "  │ example.org:443",
        "what in it points to the network",
        "  │ command:1  command  curl  → example.org:443  curl talks to hosts",
        "",
      ].join("\n"),
    );
    expect(asked).toEqual([
      { tool: "sandbox_exec", arguments: { command: "env timeout 5 curl -s x" } },
    ]);
  });

  it("ends with 0 for allow, 1 for deny and 4 for ask", async () => {
    for (const [word, wanted] of [
      ["allow", 0],
      ["deny", 1],
      ["ask", 4],
    ] as const) {
      decision = word;
      expect((await explain("--", "true")).code, word).toBe(wanted);
    }
  });

  it("takes several words as one program with its arguments, and one as a shell command", async () => {
    await explain("--", "python3", "-c", "print('a b')", "--x=1");
    await explain("--", "a | b");
    expect(asked).toMatchObject([
      { arguments: { command: `python3 -c 'print('\\''a b'\\'')' --x=1` } },
      { arguments: { command: "a | b" } },
    ]);
  });

  it("asks for an agent, capabilities, a grant, files and other arguments", async () => {
    const agent = join(dir, "agent.json");
    const code = join(dir, "main.py");
    const capability = { type: "CodeExecution", patterns: ["python3 "] };
    writeFileSync(agent, JSON.stringify({ instructions: "x", capabilities: [capability] }));
    writeFileSync(code, "import socket\n");
    const other = '{"type":"ReadAccess","scopes":["self.*"]}';
    await explain("--agent", agent, "--file", `main.py=${code}`, "--", "python3 main.py");
    await explain("--tool", "content_read", "--arguments", '{"name":"a"}', "--capability", other);
    await explain("--grant", other, "--", "true");
    expect(asked).toEqual([
      {
        ...{ tool: "sandbox_exec", arguments: { command: "python3 main.py" } },
        agent: { capabilities: [capability] },
        files: [{ name: "main.py", content: "import socket\n" }],
      },
      {
        ...{ tool: "content_read", arguments: { name: "a" } },
        agent: { capabilities: [JSON.parse(other)] },
      },
      { tool: "sandbox_exec", arguments: { command: "true" }, grant: [JSON.parse(other)] },
    ]);
  });

  it("refuses what is no question", async () => {
    for (const wrong of [
      ["--capability", "CodeExecution", "--", "true"],
      ["--arguments", "[1]"],
      ["--file", "main.py"],
      ["--file", "a=/nowhere/at/all"],
    ]) {
      expect((await explain(...wrong)).code, wrong.join(" ")).toBeGreaterThan(0);
    }
    expect(asked).toEqual([]);
  });
});
