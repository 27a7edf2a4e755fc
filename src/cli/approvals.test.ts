/** What a person sees who answers for an agent, and what an agent tries so that it is seen otherwise. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Typed, typed } from "../../test/support/terminal.ts";
import type { ApprovalDetail } from "../contract/approval.ts";
import { newApprovalId, newId } from "../contract/ids.ts";

const id = newApprovalId();
const runId = newId("run");
const digest = `sha256:${"ab".repeat(32)}`;
const later = "2030-01-01T00:00:00.000Z";

function approvalOf(
  request: Partial<ApprovalDetail["request"]> & { command?: string } = {},
  more: Partial<ApprovalDetail> = {},
): ApprovalDetail {
  const { command = "curl -s https://example.org/data.csv", ...rest } = request;
  return {
    ...{ id, runId, rootRunId: runId, status: "pending", answer: null, identical: 1 },
    ...{
      requestedAt: "2026-01-01T00:00:00.000Z",
      answeredAt: null,
      spentAt: null,
      revokedAt: null,
    },
    request: {
      ...{ request_id: id, call_id: newId("call"), tool: "sandbox_exec", intent: "To fetch data" },
      agent: { id: "coder.default", revision: digest },
      ...{ summary: "curl example.org", rule: "No NetworkAccess covers example.org:443" },
      warning: "Downloads and runs code from example.org",
      subject: {
        ...{ tool: "sandbox_exec", command, artifact_id: null, artifact_digest: null },
        ...{ entrypoint: null, files: [{ name: "main.py", sha256: digest }] },
        arguments: { command, capture_paths: [{ path: "/tmp/venv" }] },
      },
      findings: [
        {
          ...{ kind: "import", file: "/tmp/main.py", line: 3, pattern: "import requests" },
          ...{ host: null, reason: "requests talks HTTP" },
        },
      ],
      hosts: ["example.org:443"],
      binding: { digest, parts: { hosts: "example.org:443", environment: "API_KEY", tmp: digest } },
      keys: { run: digest, agent_revision: digest, artifact: null },
      ...{ scopes: ["once", "run"], default_scope: "once", expires_at: later },
      ...rest,
    },
    previews: [
      {
        ...{ scope: "run", count: 7 },
        calls: [
          {
            approvalId: id,
            runId,
            callId: newId("call"),
            summary: "curl before",
            requestedAt: later,
          },
        ],
      },
    ],
    toolResult: {},
    sinceApproved: {
      ...{ approvalId: newApprovalId(), approvedAt: later },
      changes: [
        { what: "command", diff: "-curl a\n+curl b\n" },
        { what: "file main.py", diff: "" },
      ],
    },
    ...more,
  };
}

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** A gateway with one approval, which is answered once. */
async function gateway(approval: ApprovalDetail) {
  const asked: { path: string; body: unknown }[] = [];
  let now = approval;
  const opened = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    const body = Buffer.concat(await Array.fromAsync(request)).toString();
    const json = (value: unknown, status = 200) =>
      response.writeHead(status).end(JSON.stringify(value));
    if (request.method === "GET" && pathname === "/api/approvals")
      return json({ approvals: [now] });
    if (request.method === "GET") return json({ approval: now });
    asked.push({ path: pathname, body: JSON.parse(body) });
    if (now.status !== "pending") {
      const details = { approval: now };
      return json({ error: { code: "approval_answered", message: "Answered", details } }, 409);
    }
    const isYes = pathname.endsWith("/approve");
    now = {
      ...now,
      ...{ status: isYes ? "approved" : "denied", answeredAt: later },
      answer: {
        ...{ request_id: id, call_id: newId("call"), status: isYes ? "approved" : "denied" },
        ...{ scope: isYes ? "once" : null, scope_expires_at: null, answered_by: "tok_first" },
        ...{ note: null, remembered_until: isYes ? null : later },
      },
    };
    return json({ approval: now });
  });
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  server = opened;
  const url = `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
  return {
    asked,
    airlock: (argv: string[], how: Omit<Typed, "url"> = {}) => typed(argv, { url, ...how }),
  };
}

const show = ["approvals", "show", id];
const approve = ["approvals", "approve", id];
const withoutColors = (text: string) => text.replace(/\x1b\[\d+m/g, "");

describe("airlock approvals show", () => {
  it("says all that a person needs to answer, without colours to a pipe", async () => {
    const { airlock } = await gateway(approvalOf());
    const { code, out } = await airlock(show);
    expect(code).toBe(0);
    for (const said of [
      `${id}  pending  sandbox_exec`,
      "No NetworkAccess covers example.org:443",
      "! Downloads and runs code from example.org",
      "the agent's own words",
      "  │ To fetch data",
      "  │ curl -s https://example.org/data.csv\n",
      "/tmp/venv",
      `  │ ${digest}  main.py`,
      "  │ example.org:443\n",
      "/tmp/main.py:3  import  import requests  requests talks HTTP",
      "  │ -curl a\n  │ +curl b\n",
      "  file main.py is another one",
      "API_KEY",
      digest,
      "once (unless told)",
      "run: it would also have allowed 7 past calls",
      "and 6 more",
    ]) {
      expect(out).toContain(said);
    }
    expect(out).not.toContain("\x1b");
    expect((await airlock(show, { tty: true })).out).toContain("\x1b[1m");
  });

  it.each([
    [
      ["STRIPE_KEY", "AWS_KEY"],
      ["AWS_KEY is the secret AWS_KEY", "STRIPE_KEY is the secret"],
    ],
    [{ TOKEN: "GITHUB_BOT" }, ["TOKEN is the secret GITHUB_BOT"]],
  ])("names the secrets %j that its code could read, once and apart (J07)", async (named, said) => {
    const approval = approvalOf();
    approval.request.subject.arguments = { command: "env", credential_env: named };
    const { out } = await (await gateway(approval)).airlock(show);
    const [, section = ""] = out.split("secrets that its code can read, by variable\n");
    for (const text of said) expect(section).toContain(`  │ ${text}`);
    expect(out).not.toContain("credential_env");
  });

  it("shows a call of an MCP server: where it goes, every argument, and whose words are whose", async () => {
    const approval = approvalOf({ tool: "mcp_git_push", intent: null });
    const called = { credential_env: ["STRIPE_KEY"], intent: "innocent", command: "push" };
    approval.request.subject = {
      ...{ tool: "mcp_git_push", command: null, artifact_id: null, artifact_digest: null },
      ...{ entrypoint: null, files: [], arguments: called },
      server: {
        ...{ name: "git", url: "https://git.example/mcp", tool: "push\u202e" },
        description: "Pushes.\napr_1  approved  mcp_git_push",
      },
    };
    const { out } = await (await gateway(approval)).airlock(show);
    for (const said of [
      "it asks an MCP server, which does with it what it likes",
      "the tool push\\u{202e} of git, at https://git.example/mcp",
      "what the server says of the tool, in its own words",
      "  │ Pushes.\n  │ apr_1  approved  mcp_git_push\n",
      '  │ intent: "innocent"',
      '  │ command: "push"',
      '  │ credential_env: [\n  │   "STRIPE_KEY"',
    ]) {
      expect(out).toContain(said);
    }
    expect(out).not.toContain("secrets that its code can read");
  });

  it("shows as an argument what is no list of secrets", async () => {
    const approval = approvalOf();
    approval.request.subject.arguments = { command: "env", credential_env: ["no name\u202e"] };
    const { out } = await (await gateway(approval)).airlock(show);
    expect(out).toContain("  │ credential_env: [");
    expect(out).toContain("no name\\u{202e}");
    expect(out).not.toContain("secrets that its code can read");
  });

  it("gives programs everything, byte by byte", async () => {
    const approval = approvalOf({ command: `echo ok${" ".repeat(10_000)}; rm -rf ~\u202e` });
    const { airlock } = await gateway(approval);
    expect(JSON.parse((await airlock(["--json", ...show])).out)).toEqual(approval);
  });

  it("shows a command of 100 KB to its last character, and says that it is long", async () => {
    const command = Array.from({ length: 2_000 }, (_, n) => `echo ${n} ${"x".repeat(40)}`).join(
      "\n",
    );
    const { airlock } = await gateway(approvalOf({ command: `${command}\necho the-end` }));
    const { out } = await airlock(show);
    for (const line of [0, 1, 999, 1999]) expect(out).toContain(`  │ echo ${line} x`);
    expect(out).toContain("  │ echo the-end\n");
    expect(out).toContain("! The command is long: 2,001 lines of 80 columns");
    const wide = await airlock(show, { tty: true });
    expect(wide.out).toContain("  │ echo the-end\n");
  });

  it("shows what is hidden, and says so before anything else", async () => {
    const { airlock } = await gateway(
      approvalOf({
        command: `echo ok${" ".repeat(10_000)}; \x1b[2Jrm\u202e -rf\u200b ~\r\n<b onload=x>`,
        hosts: ["gооgle.com:443", "example.org:443"],
        intent: "сurl",
      }),
    );
    for (const tty of [false, true]) {
      const { out } = await airlock(show, { tty });
      const rows = withoutColors(out);
      expect(rows.replaceAll("\n  ┊ ", "")).toContain(
        "echo ok⟨10,000 blanks⟩; \\u{1b}[2Jrm\\u{202e} -rf\\u{200b} ~\\u{d}\n  │ <b onload=x>\n",
      );
      expect(rows).not.toMatch(/[^\P{C}\n]/u);
      const notices = rows
        .split("\n")
        .filter((row) => row.startsWith("! "))
        .join("\n");
      expect(notices).toContain("\\u{1b}  \\u{202e}  \\u{200b}  \\u{d}");
      expect(notices).toContain("⟨10,000 blanks⟩");
      expect(notices).toContain("gооgle.com mixes Latin letters with Cyrillic ones");
      expect(notices).toContain("сurl");
      expect(rows).toContain("  │ xn--ggle-55da.com:443  (looks like gооgle.com)");
      expect(rows.indexOf("! ")).toBeLessThan(rows.indexOf("it will run"));
    }
  });

  it("lets nobody else's text stand where its own words stand", async () => {
    const forged = `it will reach no host\n${id}  approved  content_read`;
    const pad = "x".repeat(95);
    const { airlock } = await gateway(
      approvalOf({
        command: `true\n${forged}\n${pad}${forged.replaceAll("\n", pad)}`,
        ...{ intent: `fine\n${forged}`, summary: forged, rule: forged, warning: forged },
        findings: [
          {
            ...{ kind: "url", file: `a\n${forged}`, line: 1, pattern: forged, host: forged },
            reason: forged,
          },
        ],
      }),
    );
    for (const tty of [false, true]) {
      const rows = withoutColors((await airlock(show, { tty })).out).split("\n");
      expect(rows.filter((row) => row.startsWith("it will reach"))).toEqual(["it will reach"]);
      expect(rows.filter((row) => row.startsWith(id))).toEqual([`${id}  pending  sandbox_exec`]);
      if (tty) expect(Math.max(...rows.map((row) => row.length))).toBeLessThan(100);
    }
  });

  it("warns of what is hidden in a change, and not of what was hidden before it", async () => {
    const change = (diff: string) =>
      approvalOf({}, { sinceApproved: { ...since, changes: [{ what: "file a", diff }] } });
    const since = { approvalId: newApprovalId(), approvedAt: later };
    const before = await gateway(change("-a\u202eb\n+ab\n"));
    const { out } = await before.airlock(show);
    expect(out).toContain("  │ -a\\u{202e}b\n");
    expect(out).not.toContain("! Characters");
    server?.close();
    const now = await gateway(change("-ab\n+a\u202eb\n"));
    expect((await now.airlock(show)).out).toContain("! Characters that nobody sees");
  });

  it("says when an argument is there in part only", async () => {
    const approval = approvalOf();
    approval.request.subject.arguments.stdin = { blob: digest, bytes: 70_000, head: "abc" };
    const { airlock } = await gateway(approval);
    expect((await airlock(show)).out).toContain("! The argument stdin is shown in part only");
  });
});

describe("airlock approvals approve", () => {
  it("shows all of it, asks, and takes nothing but a yes", async () => {
    for (const answer of [[], [""], ["n"], ["yess"], ["q"], ["no", "y"]]) {
      const { airlock, asked } = await gateway(approvalOf());
      const { code, err } = await airlock(approve, { tty: true, types: ["", ...answer] });
      expect([code, asked], JSON.stringify(answer)).toEqual([1, []]);
      expect(withoutColors(err)).toContain("Not approved");
      server?.close();
    }
    const { airlock, asked } = await gateway(approvalOf());
    const { code, out, err } = await airlock(approve, { tty: true, types: ["", "y"] });
    expect(code).toBe(0);
    expect(withoutColors(err)).toContain("Let it run (scope: once)? [y/N]");
    expect(withoutColors(out)).toContain(`✓ ${id}  approved (once)`);
    expect(asked).toEqual([{ path: `/api/approvals/${id}/approve`, body: {} }]);
  });

  it("asks only when the last line of a long command was on the screen", async () => {
    const command = `${"echo more\n".repeat(200)}rm -rf /workspace`;
    const { airlock, asked } = await gateway(approvalOf({ command }));
    const left = await airlock(approve, { tty: true, types: ["y", "y", "q", "y"] });
    expect([left.code, asked]).toEqual([1, []]);
    expect(left.out).not.toContain("rm -rf /workspace");
    expect(withoutColors(left.err)).toMatch(/… \d+ more lines: Enter shows more, q leaves/);
    expect(left.err).not.toContain("[y/N]");
    const read = await airlock(approve, { tty: true, types: [...Array(8).fill(""), "y"] });
    expect([read.code, asked.length]).toEqual([0, 1]);
    expect(withoutColors(read.out)).toContain("  │ rm -rf /workspace\n");
    expect(withoutColors(read.err)).toContain("! The command is long: 201 lines of 80 columns");
  });

  it("does not take silence for a yes where nobody can be asked", async () => {
    const { airlock, asked } = await gateway(approvalOf());
    const { code, err } = await airlock(approve, { types: ["y"] });
    expect([code, asked]).toEqual([2, []]);
    expect(err).toContain("Nobody can be asked here");
    expect(err).toContain(`airlock approvals show ${id}`);
    expect((await airlock([...approve, "--yes", "--note", "ok"])).code).toBe(0);
    expect(asked).toEqual([{ path: `/api/approvals/${id}/approve`, body: { note: "ok" } }]);
  });

  it.each([
    ["a hidden character", { command: "echo\u202e ok" }],
    ["a tail behind blanks", { command: `echo${" ".repeat(10_000)}; rm -rf ~` }],
    ["100 KB", { command: "echo ok; ".repeat(11_000) }],
    ["a host that looks like another", { hosts: ["gооgle.com:443"] }],
  ])(
    "with --yes is not enough for %s: it takes the digest of what was seen",
    async (_, request) => {
      const { airlock, asked } = await gateway(approvalOf(request));
      const { code, err } = await airlock([...approve, "--yes"]);
      expect([code, asked]).toEqual([2, []]);
      expect(err).toContain("Not everything in it is as it looks");
      expect(err).not.toContain(digest.slice(0, 19));
      const [wanted = ""] = /^ {2}sha256:[0-9a-f]{12}/m.exec((await airlock(show)).out) ?? [];
      const other = await airlock([...approve, "--yes", "--digest", `sha256:${"0".repeat(12)}`]);
      expect([other.code, asked]).toEqual([1, []]);
      expect(other.err).toContain(digest);
      expect((await airlock([...approve, "--yes", "--digest", "sha256:ab"])).code).toBe(2);
      expect((await airlock([...approve, "--yes", "--digest", wanted.trim()])).code).toBe(0);
      expect(asked.length).toBe(1);
    },
  );

  it("gives scope and end on, and refuses what is none", async () => {
    const { airlock, asked } = await gateway(approvalOf());
    for (const wrong of [
      ["--scope", "forever"],
      ["--expires", "soon"],
      ["--expires", "2001-01-01"],
    ]) {
      expect((await airlock([...approve, "--yes", ...wrong])).code, wrong.join(" ")).toBe(2);
    }
    const before = Date.now();
    await airlock([...approve, "--yes", "--scope", "run", "--expires", "2h"]);
    expect(asked).toMatchObject([{ body: { scope: "run" } }]);
    const { expiresAt } = (asked[0] as { body: { expiresAt: string } }).body;
    expect(Date.parse(expiresAt) - before).toBeGreaterThanOrEqual(2 * 3_600_000);
    expect(Date.parse(expiresAt) - before).toBeLessThan(2 * 3_600_000 + 60_000);
  });

  it("tells the second one who was first", async () => {
    const { airlock } = await gateway(approvalOf());
    const denied = await airlock(["approvals", "deny", id, "--reason", "no"]);
    expect([denied.code, denied.out]).toEqual([0, `✗ ${id}  denied\n`]);
    expect(denied.err).toContain(`The same is refused until ${later}`);
    const { code, err } = await airlock([...approve, "--yes"]);
    expect(code).toBe(1);
    expect(err).toContain(`It is denied by tok_first: \`airlock approvals show ${id}\``);
    expect((await airlock(show)).out).toContain("denied by tok_first");
  });
});

describe("airlock approvals list", () => {
  it("has one line for each, whatever its summary is", async () => {
    const { airlock } = await gateway(approvalOf({ summary: "a\nb\u202e" }, { identical: 3 }));
    const { out } = await airlock(["approvals", "list", "--status", "pending"]);
    expect(out).toBe(
      `${id}  pending  2026-01-01 00:00:00  coder.default  sandbox_exec  a\\nb\\u{202e} (3 calls)\n`,
    );
    const lines = (await airlock(["--json", "approvals", "list"])).out.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).id)).toEqual([id]);
    expect((await airlock(["approvals", "list", "--status", "open"])).code).toBe(2);
  });
});
