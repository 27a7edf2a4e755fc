import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { readConfig } from "../base/config.ts";
import { RunSubmission } from "../contract/submission.ts";
import type { NewRun } from "../store/store.ts";
import { bodyHash, type SubmitDeps, submit } from "./submit.ts";

/** What a submission comes to: the record that the store is asked to keep. */
async function recordOf(
  submission: unknown,
  workspace: Partial<SubmitDeps["workspace"]> = {},
): Promise<NewRun> {
  const kept: NewRun[] = [];
  const deps = {
    journal: {
      earlier: async () => undefined,
      submit: async (run: NewRun) => {
        kept.push(run);
        return { type: "created", run: { id: run.runId } };
      },
    },
    blobs: {
      put: async (bytes: Uint8Array) => ({
        sha256: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
        bytes: bytes.length,
      }),
    },
    vault: { seal: (plain: string, context: string) => Buffer.from(`${context}:${plain}`) },
    models: { resolve: () => ({ type: "ready", provider: "anthropic", model: "m" }) },
    runLimits: readConfig({}).runLimits,
    privateHosts: [],
    workspace,
  } as unknown as SubmitDeps;
  const parsed: z.output<typeof RunSubmission> = RunSubmission.parse(submission);
  const request = { workspaceId: "ws", submittedBy: "tok", submission: parsed, uploads: new Map() };
  await submit(deps, request);
  const [run] = kept;
  if (!run) throw new Error("Nothing was submitted");
  return run;
}

const text = fc.string({ minLength: 1, maxLength: 20 }).map((part) => `p${part}`);
const submissions = fc.record(
  {
    model: fc.constantFrom("claude-a", "openai/b"),
    prompt: text,
    system: text,
    outputDirs: fc.subarray(["/workspace/a", "/tmp/b", "/workspace/c"], { minLength: 1 }),
    files: fc
      .subarray(["a.txt", "b/c.txt", "d"], { minLength: 1 })
      .chain((paths) =>
        fc.tuple(...paths.map((path) => fc.record({ path: fc.constant(path), content: text }))),
      ),
    limits: fc.record({ turns: fc.integer({ min: 1, max: 9 }) }),
    metadata: fc.dictionary(fc.constantFrom("x", "y", "z"), fc.jsonValue({ maxDepth: 2 }), {
      minKeys: 1,
    }),
  },
  { requiredKeys: ["model", "prompt"] },
);
type Sent = typeof submissions extends fc.Arbitrary<infer T> ? T : never;

/** The same in other words: members turned round, a list for a string, base64 for text, and what says nothing added. */
function inOtherWords(sent: Sent): unknown {
  const { prompt, files, outputDirs, ...rest } = sent;
  const said = {
    prompt: [prompt],
    files: (files ?? [])
      .map(({ path, content }) => ({
        executable: false,
        contentBase64: Buffer.from(content).toString("base64"),
        path,
      }))
      .reverse(),
    outputDirs: (outputDirs ?? []).flatMap((dir) => [`${dir}//`, dir]),
    secrets: { anthropic: { apiKey: "another key" } },
    limits: {},
    metadata: {},
    ...rest,
  };
  return turnedRound(said);
}

function turnedRound(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turnedRound);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).reverse();
  return Object.fromEntries(members.map(([key, member]) => [key, turnedRound(member)]));
}

describe("the name of a submission's body", () => {
  it("is the same for every spelling of it, and blind to secrets", async () => {
    await fc.assert(
      fc.asyncProperty(submissions, async (sent) => {
        const plain = await recordOf(sent);
        const other = await recordOf(inOtherWords(sent));
        expect(other.snapshot).toEqual(plain.snapshot);
        expect(other.bodyHash).toBe(plain.bodyHash);
        expect(plain.bodyHash).toBe(bodyHash(turnedRound(plain.snapshot) as NewRun["snapshot"]));
      }),
    );
  });

  it("is the same for two spellings of the same endpoint", async () => {
    const endpoint = {
      ...{ name: "api", baseUrl: "https://API.example.org:443/v2/" },
      authShape: { type: "header", name: "X-Api-Key" },
      ...{ allowMethods: ["post", "GET"], allowPathPrefixes: ["/b/", "/a"], allowHeaders: [] },
      ...{ responseMode: "headers_only", maxRequestBytes: 65_536, maxResponseBytes: 1_048_576 },
      ...{ timeoutMs: 10_000, perCallBudget: 60, responseByteBudget: 1_048_576 },
    };
    const bare = {
      ...{ name: "api", baseUrl: "https://api.example.org/v2" },
      authShape: { type: "header", name: "x-api-key" },
      ...{ allowMethods: ["GET", "POST", "GET"], allowPathPrefixes: ["/a", "/b/"] },
    };
    const auth = { name: "api", value: { type: "header", value: "sk-of-this-run" } };
    const secrets = { proxyEndpointAuth: [auth] };
    const hashOf = async (one: object) =>
      (await recordOf({ model: "m/x", prompt: "p", proxyEndpoints: [one], secrets })).bodyHash;
    expect(await hashOf(endpoint)).toBe(await hashOf(bare));
    expect(await hashOf({ ...bare, perCallBudget: 61 })).not.toBe(await hashOf(bare));
  });

  it("is another one as soon as the run would be another", async () => {
    const base = { model: "m/x", prompt: "p", files: [{ path: "f", content: "x" }] };
    const names = await Promise.all(
      [
        base,
        { ...base, model: "m/y" },
        { ...base, fallbackModel: "m/y" },
        { ...base, prompt: ["p", "p"] },
        { ...base, system: "s" },
        { ...base, agent: { instructions: "i", capabilities: [] } },
        { ...base, files: [{ path: "f", content: "y" }] },
        { ...base, files: [{ path: "g", content: "x" }] },
        { ...base, files: [{ path: "f", content: "x", executable: true }] },
        { ...base, outputDirs: ["/workspace/o"] },
        { ...base, limits: { turns: 1 } },
        { ...base, metadata: { a: 1 } },
      ].map(async (submission) => (await recordOf(submission)).bodyHash),
    );
    expect(new Set(names).size).toBe(names.length);
  });

  it("holds no secret, nor does the snapshot; each is sealed for this run and provider alone", async () => {
    const apiKey = "sk-the-secret-of-this-run";
    const record = await recordOf({
      model: "m/x",
      prompt: "p",
      secrets: { anthropic: { apiKey } },
    });
    expect(JSON.stringify([record.snapshot, record.bodyHash])).not.toContain(apiKey);
    const sealed = record.secrets.find(({ name }) => name === "anthropic")?.sealed;
    expect(String(sealed)).toBe(`${record.runId}/anthropic:${apiKey}`);
  });
});

it("a shared secret for user:password is refused at once when it holds no colon", async () => {
  const endpoint = {
    ...{ name: "api", baseUrl: "https://api.example.org", authShape: { type: "basic" } },
    ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
  };
  const secrets = { proxyEndpointAuth: [{ name: "api", secret: "LOGIN" }] };
  const submission = { model: "m/x", prompt: "p", proxyEndpoints: [endpoint], secrets };
  const withValue = (value: string) => recordOf(submission, { value: async () => value });
  await expect(withValue("only-a-password")).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringMatching(/proxyEndpointAuth\[0\]\.secret: .*"LOGIN".*username:password/),
  });
  expect((await withValue("ada:a-password-4711")).snapshot.proxyEndpoints).toHaveLength(1);
});

describe("the schemas of an inline agent", () => {
  const inline = (io: object, input: unknown = {}) => ({
    model: "claude-a",
    input,
    agent: { instructions: "x", capabilities: [], io },
  });

  it("are looked at as those of an installed one are", async () => {
    const wrong = [
      { accepts: { $async: true, type: "object", required: ["a"] } },
      { accepts: { type: "text" } },
      { returns: { $ref: "https://example.org/schema" } },
      { output_policy: { prohibited_text_patterns: ["("] } },
    ];
    for (const io of wrong) {
      const [member] = Object.keys(io);
      await expect(recordOf(inline(io)), JSON.stringify(io)).rejects.toMatchObject({
        code: "invalid_request",
        details: { fields: [{ path: expect.stringContaining(`agent.io.${member}`) }] },
      });
    }
    const kept = await recordOf(
      inline({ accepts: { properties: { a: { type: "number" } } } }, { a: "7" }),
    );
    expect(kept.snapshot.input).toEqual({ a: 7 });
  });
});
