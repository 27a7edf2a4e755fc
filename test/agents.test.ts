/**
 * Agents over a real gateway: installed, listed, given work, replaced and taken away. The models are scripted, by the map of
 * the operator.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AirlockClient, isEvent } from "../src/sdk/sdk.ts";
import { folderOf, skillOf } from "./support/agent-folder.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { removeTree } from "./support/remove-tree.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const script = {
  scripts: {
    says: { turns: [{ text: "Done as said" }] },
    other: { turns: [{ text: "Another model" }] },
    fails: { turns: [{ failWith: { reason: "model_credential_missing", message: "No key" } }] },
    reads: {
      turns: [
        { calls: [{ tool: "content_read", arguments: { name_or_handle: "skills/how.md" } }] },
        { text: "Read" },
      ],
    },
  },
};

/** Of every provider that a map does not speak of, none has a key. */
const map = {
  "anthropic/*": "scripted/says",
  "anthropic/claude-opus-4-1": "scripted/other",
  "anthropic/reads": "scripted/reads",
  "anthropic/fails": "scripted/fails",
};

let dir: string;
let gateway: StartedGateway;
let client: AirlockClient;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "airlock-agents-"));
  const file = join(dir, "models.json");
  writeFileSync(file, JSON.stringify(map));
  gateway = await startGateway({
    script,
    env: { AIRLOCK_MODEL_MAP: file, AIRLOCK_LEAD_AGENT: "lead.test" },
  });
  client = clientOf(gateway);
});

afterAll(async () => {
  await gateway.stop();
  removeTree(dir);
});

const nextId = () => `agent-${randomUUID().slice(0, 8)}.test`;

describe("installing an agent", () => {
  it("makes a revision of it, once for the same bytes, and lists the active one", async () => {
    const id = nextId();
    const files = [{ path: "skills/how.md", content: "Look first" }];
    const first = await client.agents.install(folderOf({ id }, files));
    expect(first).toMatchObject({ created: true, agent: { id, number: 1, origin: "installed" } });
    const again = await client.agents.install(folderOf({ id }, files));
    expect(again).toMatchObject({ created: false, agent: { number: 1 } });
    expect(again.agent.revision).toBe(first.agent.revision);
    const second = await client.agents.install(folderOf({ id }));
    expect(second).toMatchObject({ created: true, agent: { number: 2, files: [] } });
    const listed = (await client.agents.list()).find((one) => one.id === id);
    expect(listed).toMatchObject({ number: 2, model: "anthropic/claude-sonnet-4-5" });
    // The first bytes are the first revision again, and the active one.
    expect((await client.agents.install(folderOf({ id }, files))).agent.number).toBe(1);
    expect(await client.agents.get(id)).toMatchObject({
      ...{ number: 1, instructions: "Do it." },
      files: [{ path: "skills/how.md", bytes: 10, executable: false }],
      revisions: [{ number: 1 }, { number: 2 }],
    });
    expect(await client.agents.get(id, { revision: 2 })).toMatchObject({ number: 2, files: [] });
    const { revision } = second.agent;
    expect((await client.agents.get(id, { revision })).number).toBe(2);
  });

  it("says every problem of a SKILL.md with its line", async () => {
    const skill = skillOf({ id: "wrong.test" })
      .replace("capabilities:", "capabilites:")
      .replace("version:", "vorsion:");
    const body = { files: [{ path: "SKILL.md", content: skill }] };
    const refused = await call(gateway, "POST", "/api/agents", body);
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ error: { code: "agent_invalid" } });
    const { details } = refused.body.error as { details: { problems: { line: number }[] } };
    expect(details.problems.map(({ line }) => line)).toEqual(expect.arrayContaining([2, 10]));
  });

  it.each([
    ["no SKILL.md", [{ path: "skill.md", content: "x" }], /no SKILL\.md/],
    ["a runtime.lock", [{ path: "runtime.lock", content: "x" }], /only the gateway makes/],
    ["a path that leads out", [{ path: "../x", content: "x" }], /must not contain/],
  ])("refuses %s", async (_, files, message) => {
    const own = { path: "SKILL.md", content: skillOf({ id: "wrong.test" }) };
    const all = files[0]?.path === "skill.md" ? files : [own, ...files];
    const refused = await call(gateway, "POST", "/api/agents", { files: all });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toMatch(message);
    expect((await client.agents.list()).map(({ id }) => id)).not.toContain("wrong.test");
  });

  it("refuses hosts that nobody can mean", async () => {
    const capabilities = "- {type: NetworkAccess, hosts: ['example.org:99999']}";
    const folder = folderOf({ id: "wrong.test", capabilities });
    await expect(client.agents.install(folder)).rejects.toMatchObject({ code: "agent_invalid" });
    const more = "mcp_servers: [{name: inside, url: 'https://127.0.0.1/mcp'}]\n";
    await expect(client.agents.install(folderOf({ id: "wrong.test", more }))).rejects.toMatchObject(
      {
        code: "agent_invalid",
        details: { problems: [{ path: "mcp_servers.0.url" }] },
      },
    );
  });

  it("takes the scope admin, and no other", async () => {
    const { secret } = await client.tokens.create({ name: "runs", scopes: ["runs", "approve"] });
    const other = clientOf({ url: gateway.url, token: secret });
    await expect(other.agents.install(folderOf({ id: nextId() }))).rejects.toMatchObject({
      code: "insufficient_scope",
    });
    await expect(other.agents.delete("x.test")).rejects.toMatchObject({
      code: "insufficient_scope",
    });
    expect(await other.agents.list()).toBeInstanceOf(Array);
  });

  it("is of one workspace, and not there for any other (I14)", async () => {
    const id = nextId();
    await client.agents.install(folderOf({ id }));
    const { secret } = await client.tokens.create({
      ...{ name: "theirs", scopes: ["runs", "admin"], workspace: "theirs" },
    });
    const theirs = clientOf({ url: gateway.url, token: secret });
    const absent = { code: "not_found" };
    expect((await theirs.agents.list()).map((one) => one.id)).not.toContain(id);
    await expect(theirs.agents.get(id)).rejects.toMatchObject(absent);
    await expect(theirs.agents.export(id)).rejects.toMatchObject(absent);
    await expect(theirs.agents.delete(id)).rejects.toMatchObject(absent);
    const run = theirs.submitRun({ agent: id, message: "x" });
    await expect(run).rejects.toMatchObject(absent);
  });
});

describe("exporting an agent", () => {
  it("gives the bytes that were installed, so that they are the same revision again", async () => {
    const id = nextId();
    const bytes = new Uint8Array([0, 255, 10, 13]);
    const made = await client.agents.install(
      folderOf({ id }, [{ path: "scripts/a.bin", bytes, executable: true }]),
    );
    const folder = await client.agents.export(id);
    expect(folder.files.map(({ path }) => path)).toEqual(["SKILL.md", "scripts/a.bin"]);
    expect(folder.files[1]).toMatchObject({ executable: true, bytes });
    await client.agents.delete(id);
    await expect(client.agents.get(id)).rejects.toMatchObject({ code: "not_found" });
    const files = folder.files.map(({ path, executable, bytes: own }) => {
      return { path, executable, bytes: own };
    });
    const again = await client.agents.install({ files });
    expect(again).toMatchObject({ created: true, agent: { revision: made.agent.revision } });
  });
});

describe("the agents that come with the gateway", () => {
  it("are there in every workspace, hidden by an installed one of the same id", async () => {
    const id = "coder.default";
    const before = await client.agents.get(id);
    expect(before).toMatchObject({ origin: "reference", number: 1, createdAt: null });
    const folder = await client.agents.export(id);
    expect(folder.files[0]?.path).toBe("SKILL.md");
    const made = await client.agents.install(folderOf({ id, instructions: "Mine" }));
    expect(made.agent).toMatchObject({ origin: "installed", number: 1 });
    const listed = (await client.agents.list()).filter((one) => one.id === id);
    expect(listed).toMatchObject([{ origin: "installed" }]);
    const hidden = client.agents.get(id, { revision: before.revision });
    await expect(hidden).rejects.toMatchObject({ code: "not_found" });
    await client.agents.delete(id);
    expect(await client.agents.get(id)).toEqual(before);
    await expect(client.agents.delete(id)).rejects.toThrow(/comes with the gateway/);
    // What was exported is the same revision where it is installed.
    const files = folder.files.map(({ path, bytes, executable }) => ({ path, bytes, executable }));
    expect((await client.agents.install({ files })).agent.revision).toBe(before.revision);
    await client.agents.delete(id);
  });
});

describe("a run of an agent", () => {
  it("is done with the model that the operator maps, which is written down", async () => {
    const id = nextId();
    await client.agents.install(folderOf({ id, more: "limits: {max_execution_time_sec: 77}\n" }));
    const run = await client.submitRun({ agent: id, message: "Do your work" });
    const ended = await run.wait();
    expect(ended).toMatchObject({
      ...{ status: "succeeded", agent: id, reply: "Done as said", model: "scripted/says" },
      submission: {
        prompt: ["Do your work"],
        mappedModel: { asked: "anthropic/claude-sonnet-4-5", rule: "anthropic/*" },
        agent: { id, instructions: "Do it.", limits: { max_execution_time_sec: 77 } },
      },
    });
    const exact = nextId();
    await client.agents.install(folderOf({ id: exact, model: "anthropic/claude-opus-4-1" }));
    const other = await (await client.submitRun({ agent: exact, message: "x" })).wait();
    expect(other).toMatchObject({
      reply: "Another model",
      submission: { mappedModel: { rule: "anthropic/claude-opus-4-1" } },
    });
  });

  it("reads the files that its agent came with", async () => {
    const id = nextId();
    const files = [{ path: "skills/how.md", content: "Look first" }];
    await client.agents.install(folderOf({ id, model: "anthropic/reads" }, files));
    const run = await client.submitRun({ agent: id, message: "Read it" });
    expect((await run.wait()).reply).toBe("Read");
    const finished = (await historyOf(gateway, run.id)).find((one) =>
      isEvent(one, "call.finished"),
    );
    expect(finished?.data).toMatchObject({ result: { ok: true, content: "Look first" } });
  });

  it("is refused when its provider has no key, and says what to set", async () => {
    const id = nextId();
    const made = await client.agents.install(folderOf({ id, model: "openai/gpt-5" }));
    const { revision } = made.agent;
    await expect(client.submitRun({ agent: id, message: "x" })).rejects.toMatchObject({
      code: "provider_unconfigured",
      details: { provider: "openai", model: "gpt-5", variable: "OPENAI_API_KEY", revision },
    });
    const own = nextId();
    await client.agents.install(folderOf({ id: own, model: "ollama/llama3" }));
    const secrets = { openai: { apiKey: "sk-of-the-run-itself" } };
    const asked = { agent: own, message: "x", secrets };
    // A key that the run brings for another provider is not spent on a provider that nobody knows.
    await expect(client.submitRun(asked)).rejects.toMatchObject({
      code: "provider_unconfigured",
      details: { provider: "ollama", variable: null },
    });
  });

  it("is refused when only its fallback has no key: never another provider in silence", async () => {
    const id = nextId();
    const folder = folderOf({ id });
    const skill = skillOf({ id }).replace(
      "model: claude-sonnet-4-5",
      "model: claude-sonnet-4-5\n  fallback_provider: mistral\n  fallback_model: mistral-large",
    );
    await client.agents.install({ ...folder, files: [{ path: "SKILL.md", content: skill }] });
    await expect(client.submitRun({ agent: id, message: "x" })).rejects.toMatchObject({
      code: "provider_unconfigured",
      details: { provider: "mistral", variable: "MISTRAL_API_KEY" },
    });
  });

  it("goes on with the fallback of its manifest, as the operator maps it", async () => {
    const id = nextId();
    const skill = skillOf({ id, model: "anthropic/fails" }).replace(
      "model: fails",
      "model: fails\n  fallback_model: claude-opus-4-1",
    );
    await client.agents.install({ files: [{ path: "SKILL.md", content: skill }] });
    const run = await client.submitRun({ agent: id, message: "x" });
    expect(await run.wait()).toMatchObject({
      ...{ status: "succeeded", reply: "Another model" },
      submission: { model: "scripted/fails", fallbackModel: "scripted/other" },
    });
  });

  it("has the model of its manifest and no other", async () => {
    const id = nextId();
    await client.agents.install(folderOf({ id }));
    for (const field of ["model", "fallbackModel"]) {
      const asked = { agent: id, message: "x", [field]: "scripted/other" };
      const refused = client.submitRun(asked);
      await expect(refused).rejects.toMatchObject({ code: "invalid_request" });
      await expect(refused).rejects.toThrow(`${field}: the agent ${id} names its own model`);
    }
  });

  it("is the lead agent's when it names neither agent nor model", async () => {
    const before = client.submitRun({ message: "Lead" });
    await expect(before).rejects.toMatchObject({ code: "not_found" });
    await expect(before).rejects.toThrow(/"lead\.test".*AIRLOCK_LEAD_AGENT/);
    await client.agents.install(folderOf({ id: "lead.test" }));
    const run = await client.submitRun({ message: "Lead" });
    expect(await run.wait()).toMatchObject({ agent: "lead.test", status: "succeeded" });
  });

  it("begins with the revision that is active, and keeps it", async () => {
    const id = nextId();
    const one = await client.agents.install(folderOf({ id, instructions: "The first" }));
    const first = await client.submitRun({ agent: id, message: "x", idempotencyKey: id });
    const two = await client.agents.install(folderOf({ id, instructions: "The second" }));
    const second = await client.submitRun({ agent: id, message: "x" });
    const agentOf = async (run: typeof first) => (await run.get()).submission.agent;
    expect(await agentOf(first)).toMatchObject({ revision: one.agent.revision });
    expect(await agentOf(second)).toMatchObject({ revision: two.agent.revision });
    // The same key and the same words are the same run, whatever the agent has become.
    const again = await client.submitRun({ agent: id, message: "x", idempotencyKey: id });
    expect(again.id).toBe(first.id);
    await client.agents.delete(id);
    const gone = await client.submitRun({ agent: id, message: "x", idempotencyKey: id });
    expect(gone.id).toBe(first.id);
    expect(await first.wait()).toMatchObject({ status: "succeeded", agent: id });
  });

  it("gives the run that is there after its secret was deleted, too", async () => {
    const id = nextId();
    await client.agents.install(folderOf({ id }));
    await client.secrets.set("UPSTREAM_KEY", "a-secret-value-of-some-length");
    const asked = {
      ...{ agent: id, message: "x", idempotencyKey: id },
      proxyEndpoints: [
        {
          ...{ name: "up", baseUrl: "https://example.org", authShape: { type: "bearer" as const } },
          ...{ allowMethods: ["GET" as const], allowPathPrefixes: ["/"] },
        },
      ],
      secrets: { proxyEndpointAuth: [{ name: "up", secret: "UPSTREAM_KEY" }] },
    };
    const first = await client.submitRun(asked);
    await client.secrets.delete("UPSTREAM_KEY");
    expect((await client.submitRun(asked)).id).toBe(first.id);
    const fresh = client.submitRun({ ...asked, idempotencyKey: `${id}-2` });
    await expect(fresh).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("a script agent", () => {
  it("is started with its coerced input, and costs no model", async () => {
    const id = nextId();
    const skill = skillOf({ id }).replace(
      /llm_config:[\s\S]*?capabilities:/,
      "execution_mode: script\nscript_entry: scripts/run.py\n" +
        "io: {accepts: {type: object, required: [n], properties: {n: {type: integer}}}}\n" +
        "capabilities:",
    );
    const script = "#!/usr/bin/env python3\nimport sys\nprint('given', sys.stdin.read())\n";
    const files = [
      { path: "SKILL.md", content: skill },
      { path: "scripts/run.py", content: script, executable: true },
    ];
    await client.agents.install({ files });
    const run = await client.submitRun({ agent: id, input: { n: "7" } });
    const ended = await run.wait();
    expect(ended).toMatchObject({ status: "succeeded", model: "none", agent: id });
    expect(ended.submission.input).toEqual({ n: 7 });
    expect(ended.reply).toMatch(/given \{\s*"n":\s*7\s*\}/);
    const { totalTokens } = ended.usage;
    expect(totalTokens).toBe(0);
  });
});

describe("the input of an agent", () => {
  const io = `io:
  accepts:
    type: object
    required: [count, format]
    additionalProperties: false
    properties:
      count: {type: integer}
      format: {type: string, enum: [summary, full]}
      depth: {type: integer, default: 3}
`;

  it("is made to fit, and what was changed is written down", async () => {
    const id = nextId();
    await client.agents.install(folderOf({ id, more: io }));
    const run = await client.submitRun({ agent: id, input: { count: "7", format: "full" } });
    const { submission } = await run.get();
    expect(submission.input).toEqual({ count: 7, format: "full", depth: 3 });
    expect(submission.inputChanges).toHaveLength(2);
    expect(JSON.parse(submission.prompt[0] ?? "")).toEqual(submission.input);
    const text = await client.submitRun({ agent: id, message: "Just talk to me" });
    expect((await text.get()).submission).toMatchObject({ prompt: ["Just talk to me"] });
  });

  it("is made to fit whatever shape the manifest has, and a strict agent takes no other", async () => {
    const id = nextId();
    const manifest = {
      ...{ agent: { id }, llm_config: { provider: "anthropic", model: "x" }, capabilities: [] },
      io: { accepts: { type: "object", required: ["n"], properties: { n: { type: "integer" } } } },
      validation: "strict",
    };
    const metadata = JSON.stringify({ autonoetic: manifest });
    const name = id.replace(".", "-");
    const skill = `---\nname: ${name}\ndescription: A test\nmetadata: '${metadata}'\n---\nDo it.\n`;
    await client.agents.install({ files: [{ path: "SKILL.md", content: skill }] });
    const run = await client.submitRun({ agent: id, message: '{"n": "7"}' });
    expect((await run.get()).submission.input).toEqual({ n: 7 });
    const text = client.submitRun({ agent: id, message: "Just talk to me" });
    await expect(text).rejects.toMatchObject({ code: "input_invalid" });
  });

  it("is refused with its paths when it does not fit", async () => {
    const id = nextId();
    await client.agents.install(folderOf({ id, more: io }));
    const input = { count: "many", format: "full" };
    await expect(client.submitRun({ agent: id, input })).rejects.toMatchObject({
      code: "input_invalid",
      details: { fields: [{ path: "input.count" }] },
    });
  });

  it("holds no value of a secret of the submission", async () => {
    const id = nextId();
    await client.agents.install(folderOf({ id }));
    const secrets = { env: { KEY: "a-secret-value-of-some-length" } };
    const asked = { agent: id, input: { deep: ["a-secret-value-of-some-length"] }, secrets };
    await expect(client.submitRun(asked)).rejects.toThrow(/input: holds the value/);
  });
});

it("keeps what an agent needs from being swept, and verify finds everything in order", async () => {
  const id = nextId();
  await client.agents.install(folderOf({ id }, [{ path: "scripts/a.py", content: id }]));
  await client.gc({ dryRun: false });
  expect((await client.verify()).defects).toEqual([]);
  expect((await client.agents.export(id)).files).toHaveLength(2);
});
