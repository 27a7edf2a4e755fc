/** Skills, instructions and files between the client and a real gateway: who computes which name, and what is sent. */
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { fromBufferPromise } from "yauzl";
import { bundlePathProblem, bundleProblems } from "../src/contract/bundle.ts";
import {
  AgentsMd,
  AirlockClient,
  type BundleFiles,
  File,
  isNotFound,
  Skill,
} from "../src/sdk/sdk.ts";
import { clientOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

/** What went over the wire: method, path, and how much. */
let sent: { method: string; path: string; bytes: number }[] = [];
beforeEach(() => {
  sent = [];
});

/** A client in a workspace of its own, whose requests are counted; `before` may refuse one. */
async function newClient(before: (method: string) => void = () => undefined) {
  const workspace = `w${crypto.randomUUID()}`;
  const made = await clientOf(gateway).tokens.create({ name: "t", scopes: ["runs"], workspace });
  const counting: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const body = await request.clone().arrayBuffer();
    const { pathname } = new URL(request.url);
    sent.push({ method: request.method, path: pathname, bytes: body.byteLength });
    before(request.method);
    return fetch(request);
  };
  const { url: baseUrl } = gateway;
  return new AirlockClient({ baseUrl, token: made.secret, fetch: counting, maxRetries: 0 });
}

const uploads = () => sent.filter(({ method }) => method === "POST");
const skillOf = (files: BundleFiles, name = "rules") => Skill.fromFiles({ name, files });

async function unpack(zip: Uint8Array): Promise<Record<string, { mode: number; text: string }>> {
  const opened = await fromBufferPromise(Buffer.from(zip), { lazyEntries: true });
  const files: Record<string, { mode: number; text: string }> = {};
  for await (const entry of opened.eachEntry()) {
    const text = (await buffer(await opened.openReadStreamPromise(entry))).toString("utf8");
    files[entry.fileName] = { mode: (entry.externalFileAttributes >>> 16) & 0o777, text };
  }
  return files;
}

describe("uploadIfChanged", () => {
  it("sends a content once, and no byte of what the workspace has", async () => {
    const client = await newClient();
    const publish = async (text: string) =>
      (await skillOf({ "SKILL.md": "# Rules", "lib/x.js": text })).uploadIfChanged(client);
    const first = await publish("one");
    expect(uploads()).toHaveLength(1);
    expect((await publish("one")).record?.id).toBe(first.record?.id);
    expect(sent.slice(-1)).toEqual([{ method: "GET", path: "/api/skills/by-hash", bytes: 0 }]);
    const second = await publish("two");
    expect(second.record?.id).not.toBe(first.record?.id);
    expect((await publish("one")).record?.id).toBe(first.record?.id);
    expect(uploads()).toHaveLength(2);
  });

  it("sends it again once it was deleted, and another name is another skill", async () => {
    const client = await newClient();
    const files = { "SKILL.md": "# Rules" };
    const first = await (await skillOf(files)).uploadIfChanged(client);
    const other = await (await skillOf(files, "other")).uploadIfChanged(client);
    expect(other.record?.id).not.toBe(first.record?.id);
    await client.skills.delete(String(first.record?.id));
    const again = await (await skillOf(files)).uploadIfChanged(client);
    expect(again.record?.id).not.toBe(first.record?.id);
    expect(uploads()).toHaveLength(3);
  });

  it("finds what was packed by another compressor, or by none", async () => {
    const client = await newClient();
    const files = { "SKILL.md": "# Rules\n".repeat(200) };
    vi.stubGlobal("CompressionStream", undefined);
    const stored = await (await skillOf(files)).upload(client);
    vi.unstubAllGlobals();
    const found = await (await skillOf(files)).uploadIfChanged(client);
    expect(found.record?.id).toBe(stored.record?.id);
    expect(uploads()).toHaveLength(1);
    // And the gateway says the same of what arrives deflated.
    expect((await (await skillOf(files)).upload(client)).record?.id).toBe(stored.record?.id);
  });

  it("is one record when two programs publish the same at the same time", async () => {
    const client = await newClient();
    const publish = async () => (await skillOf({ "SKILL.md": "# Rules" })).uploadIfChanged(client);
    const all = await Promise.all(Array.from({ length: 8 }, publish));
    expect(new Set(all.map(({ record }) => record?.id)).size).toBe(1);
    expect(await client.skills.list()).toHaveLength(1);
  });
});

describe("an upload", () => {
  it("that failed on the way can be tried again with the same skill", async () => {
    let broken = true;
    const client = await newClient((method) => {
      if (method === "POST" && broken) throw new TypeError("fetch failed");
    });
    const draft = await skillOf({ "SKILL.md": "# Rules" });
    await expect(draft.uploadIfChanged(client)).rejects.toMatchObject({ code: "unreachable" });
    expect([draft.isUnstaged, draft.isConsumed]).toEqual([true, false]);
    broken = false;
    expect((await draft.uploadIfChanged(client)).isWorkspace).toBe(true);
    expect(draft.isConsumed).toBe(true);
  });

  it("can be given up by a signal, and nothing is consumed", async () => {
    const client = await newClient();
    const draft = await skillOf({ "SKILL.md": "# Rules" });
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(draft.upload(client, { signal })).rejects.toThrow("enough");
    expect(draft.isUnstaged).toBe(true);
  });

  it("is refused when it is not what it says", async () => {
    const client = await newClient();
    await (await skillOf({ "SKILL.md": "# Rules" })).upload(client);
    const [kept] = await client.skills.list();
    const bundle = await client.skills.download(String(kept?.id));
    const contentHash = `sha256:${"0".repeat(64)}`;
    const wrong = client.skills.upload({ name: "rules", bundle, contentHash });
    await expect(wrong).rejects.toMatchObject({ code: "hash_mismatch", status: 400 });
    sent = [];
    const unnamed = client.skills.upload({ name: "Rules Pack", bundle });
    await expect(unnamed).rejects.toMatchObject({ code: "invalid_request", status: undefined });
    expect(sent).toEqual([]);
    // What was downloaded is the same skill when it comes back.
    expect(await client.skills.upload({ name: "rules", bundle })).toEqual(kept);
  });
});

describe("the gateway computes the name that the client computed", () => {
  it("of any files", async () => {
    const client = await newClient();
    const segment = fc.string({ unit: "binary", minLength: 1, maxLength: 8 });
    const path = fc
      .oneof(
        fc.constantFrom("2", "10", "__proto__", "café", "🚀", "ａ", "a/b", "SKILL.MD.md"),
        fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
      )
      .filter((text) => bundlePathProblem(text) === undefined);
    const file = fc.record({
      path,
      content: fc.uint8Array({ maxLength: 200 }),
      executable: fc.boolean(),
    });
    const lists = fc.uniqueArray(file, { selector: (one) => one.path, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(lists, async (list) => {
        const entries = [...list.map(({ path, ...given }) => [path, given] as const)];
        const files: BundleFiles = Object.fromEntries([["SKILL.md", "# Rules"], ...entries]);
        const sized = Object.keys(files).map((one) => ({ path: one, size: 0 }));
        fc.pre(bundleProblems("skill", sized).length === 0);
        const draft = await skillOf(files);
        const { record } = await draft.upload(client);
        expect(record?.contentHash).toBe(draft.contentHash);
        expect(record?.fileCount).toBe(sized.length);
      }),
      { numRuns: 40 },
    );
  });

  it("and gives the files back, with their modes, for each kind", async () => {
    const client = await newClient();
    const skill = await skillOf({
      "SKILL.md": "# Rules",
      "bin/run.sh": { content: "echo", executable: true },
    });
    const { record } = await skill.upload(client);
    const { files } = await client.skills.get(String(record?.id));
    expect(files.map(({ path, mode, size }) => [path, mode, size])).toEqual([
      ["SKILL.md", "0644", 7],
      ["bin/run.sh", "0755", 4],
    ]);
    expect(await unpack(await client.skills.download(String(record?.id)))).toEqual({
      "SKILL.md": { mode: 0o644, text: "# Rules" },
      "bin/run.sh": { mode: 0o755, text: "echo" },
    });
    const rules = await AgentsMd.fromContent("# Be kind\n", { name: "rules" });
    const keptRules = await rules.uploadIfChanged(client);
    expect(keptRules.record?.contentHash).toBe(rules.contentHash);
    const content = await unpack(await client.agentsMd.download(String(keptRules.record?.id)));
    expect(content).toEqual({ "AGENTS.md": { mode: 0o644, text: "# Be kind\n" } });
    const data = await File.fromBytes({ name: "data", bytes: "a,b", filename: "data.csv" });
    const keptData = await data.uploadIfChanged(client.files);
    expect(keptData.record?.contentHash).toBe(data.contentHash);
    const listed = await client.files.get(String(keptData.record?.id));
    expect(listed.files.map(({ path }) => path)).toEqual(["data.csv"]);
  });
});

/** The same steps for each kind. */
const kinds = {
  skills: {
    build: (text: string) => skillOf({ "SKILL.md": text }),
    upload: async (client: AirlockClient, text: string) =>
      (await (await skillOf({ "SKILL.md": text })).upload(client)).record,
    gone: "skill_deleted",
  },
  agentsMd: {
    build: (text: string) => AgentsMd.fromContent(text, { name: "rules" }),
    upload: async (client: AirlockClient, text: string) =>
      (await (await AgentsMd.fromContent(text, { name: "rules" })).upload(client)).record,
    gone: "agents_md_deleted",
  },
  files: {
    build: (text: string) => File.fromBytes({ name: "rules", bytes: text }),
    upload: async (client: AirlockClient, text: string) =>
      (await (await File.fromBytes({ name: "rules", bytes: text })).upload(client)).record,
    gone: "file_deleted",
  },
};

describe.each(Object.entries(kinds))("client.%s", (field, { build, upload, gone }) => {
  const callsOf = (client: AirlockClient) => client[field as keyof typeof kinds];

  it("lists, finds, and deletes; what was deleted is found by nothing, and deleted again", async () => {
    const client = await newClient();
    const calls = callsOf(client);
    const first = await upload(client, "# one");
    const second = await upload(client, "# two");
    expect((await calls.list()).map(({ id }) => id)).toEqual([second?.id, first?.id]);
    expect((await calls.findByName("rules"))?.id).toBe(second?.id);
    expect(await calls.findByName("rule")).toBeNull();
    const { contentHash = "" } = await build("# one");
    expect(await calls.findByHash({ name: "rules", contentHash })).toEqual(first);
    expect(await calls.findByHash({ name: "other", contentHash })).toBeNull();
    await calls.delete(String(first?.id));
    await calls.delete(String(first?.id));
    expect(await calls.findByHash({ name: "rules", contentHash })).toBeNull();
    expect((await calls.list()).map(({ id }) => id)).toEqual([second?.id]);
    await expect(calls.get(String(first?.id))).rejects.toMatchObject({ code: gone, status: 410 });
    await expect(calls.download(String(first?.id))).rejects.toMatchObject({ code: gone });
    await calls.delete(String(second?.id));
    expect(await calls.findByName("rules")).toBeNull();
  });

  it("is of one workspace: another one's are not there", async () => {
    const calls = callsOf(await newClient());
    const record = await upload(await newClient(), "# one");
    for (const ask of [calls.get, calls.download, calls.delete]) {
      expect(isNotFound(await ask(String(record?.id)).catch((error: unknown) => error))).toBe(true);
    }
    expect(await calls.list()).toEqual([]);
  });

  it("wants an id before it asks", async () => {
    const calls = callsOf(await newClient());
    await expect(calls.get("")).rejects.toThrow(/^id: expected the id of/);
    expect(sent).toEqual([]);
  });
});
