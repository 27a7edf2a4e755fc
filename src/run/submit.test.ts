import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { readConfig } from "../base/config.ts";
import { RunSubmission } from "../contract/submission.ts";
import type { NewRun } from "../store/store.ts";
import { bodyHash, type SubmitDeps, submit } from "./submit.ts";

/** What a submission comes to: the record that the store is asked to keep. */
async function recordOf(submission: unknown): Promise<NewRun> {
  const kept: NewRun[] = [];
  const deps = {
    journal: {
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
    expect(record.secrets.map(({ name }) => name)).toEqual(["anthropic"]);
    expect(String(record.secrets[0]?.sealed)).toBe(`${record.runId}/anthropic:${apiKey}`);
  });
});
