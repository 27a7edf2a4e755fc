/** A run that waits for a person says so to whoever looks at it, and how to answer. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { tempDir } from "../../test/support/temp-dir.ts";
import { typed } from "../../test/support/terminal.ts";
import { newApprovalId, newId } from "../contract/ids.ts";

const id = newApprovalId();
const runId = newId("run");
const question = {
  ...{ request_id: id, call_id: "c1", tool: "sandbox_exec", hosts: ["gооgle.com:443"] },
  ...{ summary: `curl \x1b[2J${"x".repeat(300)}`, intent: "To look\nit up", warning: null },
};
const answer = {
  request_id: id,
  call_id: "c1",
  scope: null,
  answered_by: "tok_a",
  note: "not\nnow",
};
const asked = ["approval.requested", question] as const;
const denied = ["approval.resolved", { ...answer, status: "denied" }] as const;
const end = [
  "run.finished",
  { status: "succeeded", stop_reason: "end_turn", cleanup_status: "succeeded" },
] as const;

const runOf = (status: string) => ({
  ...{ id: runId, status, stop_reason: null, model: "scripted/x", message: null, reply: null },
  ...{ queue: null, turns: 1, calls: 1, usage: { totalTokens: 1 }, costUsd: 0, lastSeq: 1 },
  ...{ submission: { prompt: ["Look"] }, createdAt: "2026-01-01T00:00:00.000Z" },
  ...{ startedAt: null, finishedAt: null },
});

let server: Server | undefined;
afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

/** A gateway with one run. `now` has happened, `then` happens while it is watched. */
async function gateway(
  status: string,
  now: (readonly [string, object])[],
  then: (readonly [string, object])[] = [],
) {
  const bodies: string[] = [];
  const events = [...now, ...then].map(([type, data], index) => ({
    ...{ runId, seq: index + 1, time: "2026-01-01T00:00:00.000Z", hash: "", type, data },
  }));
  let current = status;
  const opened = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    bodies.push(Buffer.concat(await Array.fromAsync(request)).toString());
    const json = (value: unknown) => response.writeHead(200).end(JSON.stringify(value));
    if (pathname.endsWith("/archive")) return response.end("PK");
    if (pathname.endsWith("/outputs")) return json({ outputs: [] });
    if (pathname === "/api/runs" && request.method === "GET")
      return json({ runs: [runOf(status)] });
    if (!pathname.endsWith("/events")) return json({ run: runOf(current) });
    if (!request.headers.accept?.includes("event-stream")) {
      return json({ events: events.slice(0, now.length) });
    }
    current = "succeeded";
    response.writeHead(200, { "content-type": "text/event-stream" });
    const since = Number(new URL(request.url ?? "", "http://x").searchParams.get("since") ?? 0);
    for (const event of events.slice(since)) {
      response.write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    response.end();
  });
  await new Promise<void>((resolve) => opened.listen(0, "127.0.0.1", resolve));
  server = opened;
  const url = `http://127.0.0.1:${(opened.address() as AddressInfo).port}`;
  return { bodies, airlock: (argv: string[]) => typed(argv, { url }) };
}

const submit = ["run", "--model", "scripted/x", "--prompt", "Look"];

function expectQuestion(text: string) {
  expect(text).toContain("? sandbox_exec waits for a person\n");
  expect(text).toContain("  it wants   curl \\u{1b}[2Jxxx");
  expect(text).toContain("  it says    To look\\nit up\n");
  expect(text).toContain("  to reach   xn--ggle-55da.com:443  (looks like gооgle.com)\n");
  expect(text).toContain(`  see it     airlock approvals show ${id}\n`);
  expect(text).toContain(`  answer     airlock approvals approve ${id}   (or deny)\n`);
  expect(text).not.toContain("\x1b");
}

describe("a run that waits for a person", () => {
  it("is followed with its question and its answer", async () => {
    const { airlock } = await gateway("running", [], [asked, denied, end]);
    const { code, out } = await airlock([...submit, "--follow"]);
    expect(code).toBe(0);
    expectQuestion(out);
    expect(out).toContain(`✗ ${id}  denied by tok_a: not\\nnow\n`);
    expect(out).toContain("✓ succeeded");
  });

  it("does not look hung to who only waits for its end", async () => {
    const download = await gateway("running", [], [asked, denied, end]);
    const zip = ["--download", join(await tempDir("asked"), "result.zip")];
    expectQuestion((await download.airlock([...submit, "--timeout", "10s", ...zip])).err);
    server?.close();
    const { airlock } = await gateway("waiting", [asked], [denied, end]);
    const { code, err } = await airlock(["wait", runId]);
    expect(code).toBe(0);
    expectQuestion(err);
    expect(err).toContain(`✗ ${id}  denied by tok_a`);
  });

  it("says what it waits for when it is asked how it is, and not what was answered", async () => {
    const before = ["approval.requested", { ...question, request_id: newApprovalId() }] as const;
    const answered = [
      "approval.resolved",
      { ...answer, status: "approved", request_id: before[1].request_id },
    ] as const;
    const { airlock } = await gateway("waiting", [before, answered, asked]);
    const { out, err } = await airlock(["status", runId]);
    expect(out).toContain(`${runId}  waiting`);
    expectQuestion(err);
    expect(err).not.toContain(before[1].request_id);
    expect((await airlock(["list"])).out).toContain(`${runId}  waiting`);
    const show = await airlock(["show", runId]);
    expect(show.out).toContain(`✓ ${before[1].request_id}  approved by tok_a`);
    expect((await airlock(["--json", "status", runId])).err).toBe("");
  });
});

describe("airlock stop", () => {
  it("wants a reason, and gives it on", async () => {
    const { airlock, bodies } = await gateway("terminated", []);
    expect((await airlock(["stop", runId])).code).toBe(2);
    expect(bodies).toEqual([]);
    const { code, out } = await airlock(["stop", runId, "--reason", "It deletes things"]);
    expect([code, out.split("\n")[0]]).toEqual([0, `✗ ${runId}  terminated`]);
    expect(bodies).toEqual(['{"reason":"It deletes things"}']);
  });

  it("is told to who follows the run", async () => {
    const stopped = ["run.stopped", { requested_by: "tok_a", reason: "enough\n\u202e" }] as const;
    const { airlock } = await gateway("running", [], [stopped, end]);
    const { out } = await airlock([...submit, "--follow"]);
    expect(out).toContain("✗ stopped by tok_a: enough\\n\\u{202e}\n");
  });
});
