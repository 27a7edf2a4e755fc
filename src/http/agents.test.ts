import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { skillOf } from "../../test/support/agent-folder.ts";
import { openAgentRoom } from "../../test/support/agent-room.ts";
import { limits } from "../base/limits.ts";
import type { AgentExport } from "../contract/agent-install.ts";
import type { AgentDetail } from "../contract/installed-agent.ts";

const skill = skillOf({ id: "my.agent" });
const own = { path: "SKILL.md", content: skill };

interface Answer {
  created: boolean;
  agent: AgentDetail;
  files: AgentExport["files"];
  error: { code: string; message: string };
}

async function openDesk() {
  const room = await openAgentRoom();
  const { header } = room.token({ scopes: ["admin", "runs"] });
  const ask = async (
    method: string,
    path: string,
    body?: string | FormData,
    headers: object = {},
  ) => {
    const all = { ...header, ...headers };
    const answer = await fetch(`${room.url}${path}`, { method, headers: all, body: body ?? null });
    const read = (await answer.json()) as Answer;
    return { status: answer.status, headers: answer.headers, body: read };
  };
  const json = { "content-type": "application/json" };
  const install = (body: unknown) => ask("POST", "/api/agents", JSON.stringify(body), json);
  const form = (submission: unknown, parts: Record<string, Uint8Array<ArrayBuffer>> = {}) => {
    const all = new FormData();
    all.append("submission", JSON.stringify(submission));
    for (const [slot, bytes] of Object.entries(parts)) {
      all.append(`file:${slot}`, new Blob([bytes]), "x");
    }
    return ask("POST", "/api/agents", all);
  };
  return { ...room, ask, install, form };
}

describe("POST /api/agents", () => {
  it("takes files inline and as parts, and holds them against their digests", async () => {
    const { form, ask } = await openDesk();
    const bytes = randomBytes(100_000);
    const sha256 = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const large = { path: "scripts/large.bin", slot: "a", sha256, executable: true };
    const made = await form({ files: [own, large] }, { a: bytes });
    expect(made).toMatchObject({ status: 201, body: { created: true, agent: { number: 1 } } });
    expect(made.headers.get("location")).toBe("/api/agents/my.agent");
    const { body } = await ask("GET", "/api/agents/my.agent/export");
    expect(body.files).toEqual([
      expect.objectContaining({ path: "SKILL.md", executable: false }),
      {
        ...{ path: "scripts/large.bin", sha256, executable: true },
        contentBase64: bytes.toString("base64"),
      },
    ]);
    // What is exported is what can be installed.
    const again = await form({ files: body.files });
    expect(again).toMatchObject({ status: 200, body: { created: false } });
    const other = await form(
      { files: [own, { ...large, sha256: `sha256:${"0".repeat(64)}` }] },
      {
        a: bytes,
      },
    );
    expect(other.body.error).toMatchObject({ code: "invalid_request" });
    expect(other.body.error.message).toMatch(/^files\[1\]\.sha256/);
  });

  it.each<[string, unknown, number, string, RegExp]>([
    ["no files", {}, 400, "invalid_request", /files/],
    ["an empty folder", { files: [] }, 400, "invalid_request", /files/],
    ["an id beside", { files: [own], id: "x" }, 400, "invalid_request", /id/],
    ["a file twice", { files: [own, own] }, 400, "invalid_request", /SKILL\.md is there twice/],
    [
      "a file below a file",
      { files: [own, { path: "a", content: "" }, { path: "a/b", content: "" }] },
      ...([400, "invalid_request", /a\/b is below a/] as const),
    ],
    [
      "a SKILL.md that is no text",
      { files: [{ path: "SKILL.md", contentBase64: "/w==" }] },
      ...([400, "agent_invalid", /UTF-8/] as const),
    ],
    [
      "more files than an agent has",
      { files: Array.from({ length: 257 }, (_, at) => ({ path: `f${at}`, content: "" })) },
      ...([400, "invalid_request", /256/] as const),
    ],
  ])("refuses %s, and keeps nothing", async (_, body, status, code, message) => {
    const { install, store } = await openDesk();
    const answer = await install(body);
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    expect(answer.body.error.message).toMatch(message);
    expect(await Array.fromAsync(store.files.referenced())).toEqual([]);
  });

  it("refuses more bytes than an agent has", async () => {
    const { form } = await openDesk();
    const answer = await form(
      { files: [own, { path: "a", slot: "a" }] },
      {
        a: new Uint8Array(limits.agentBytes),
      },
    );
    expect(answer).toMatchObject({ status: 413, body: { error: { code: "payload_too_large" } } });
  });

  it("holds a script to its shebang before it is an agent", async () => {
    const { install } = await openDesk();
    const script = skill.replace(
      /llm_config:[\s\S]*?capabilities:/,
      "execution_mode: script\nscript_entry: scripts/run.py\ncapabilities:",
    );
    const files = [{ path: "SKILL.md", content: script }];
    const bare = [...files, { path: "scripts/run.py", content: "print(1)\n" }];
    const refused = await install({ files: bare });
    expect(refused.body.error).toMatchObject({ code: "agent_invalid" });
    expect(refused.body.error.message).toMatch(/no shebang/);
    const good = [
      ...files,
      { path: "scripts/run.py", content: "#!/usr/bin/env python3\n", executable: true },
    ];
    const made = await install({ files: good });
    expect(made.body.agent).toMatchObject({ execution_mode: "script", model: null });
  });
});

describe("GET /api/agents/{id}", () => {
  it("takes a revision by digest or number, and nothing else", async () => {
    const { install, ask } = await openDesk();
    const made = await install({ files: [own] });
    const { revision } = made.body.agent;
    const at = (query: string) => ask("GET", `/api/agents/my.agent?${query}`);
    expect((await at(`revision=${revision}`)).body.agent).toEqual(made.body.agent);
    expect((await at("revision=1")).body.agent).toEqual(made.body.agent);
    expect((await at("revision=2")).status).toBe(404);
    expect((await at(`revision=sha256:${"0".repeat(64)}`)).status).toBe(404);
    expect((await at("revision=0")).status).toBe(400);
    expect((await at("version=1")).status).toBe(400);
  });

  it("shows the lock that the gateway made, which no folder brings", async () => {
    const { install } = await openDesk();
    const { body } = await install({ files: [own] });
    expect(body.agent.runtime_lock).toContain(body.agent.revision);
    const lock = { path: "runtime.lock", content: body.agent.runtime_lock };
    const refused = await install({ files: [own, lock] });
    expect(refused.body.error).toMatchObject({ code: "agent_invalid" });
  });
});
