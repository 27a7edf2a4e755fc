/**
 * The examples that the founding package documented for its 0.8, against a gateway of ours: the text of a program stays as it
 * is, except for the line that imports the package. The model is played over HTTP. A program that names no address asks the
 * default one, which is led to the gateway of this test.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LLMock } from "@copilotkit/aimock";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { newCanary } from "./support/canary.ts";
import { checkTypes, installSdk, runProgram } from "./support/installed-sdk.ts";
import { openWire, type Wire } from "./support/model-wire.ts";
import { readZip } from "./support/read-zip.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { tempDirUntilExit } from "./support/temp-dir.ts";

const folder = tempDirUntilExit("compat-examples");
const apiKey = newCanary();
const mock = new LLMock({ port: 0 });
let wire: Wire;
let gateway: StartedGateway;

/** What a reader of those pages has written before. */
const client = `
import { AntpathClient } from "antpath";
const client = new AntpathClient({ apiToken: process.env.API_TOKEN! });
`;

const examples: Record<string, string> = {
  "safe-retries": `${client}
const idempotencyKey = crypto.randomUUID();
async function submitWithRetry() {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      return await client.submitRun({
        model: "claude-haiku-4-5",
        prompt: "...",
        idempotencyKey,
        secrets: { anthropic: { apiKey: process.env.ANTHROPIC_API_KEY! } }
      });
    } catch (err) {
      if (err instanceof Error && err.message.includes("network")) continue;
      throw err;
    }
  }
  throw new Error("submitRun failed after retries");
}
const ref = await submitWithRetry();
const again = await submitWithRetry();
const { status } = await ref.wait();
console.log(JSON.stringify({ id: ref.id, again: again.id, status }));
`,
  "key-conflict": `
import { AntpathClient, HttpError } from "antpath";
const client = new AntpathClient({ apiToken: process.env.API_TOKEN! });
const idempotencyKey = crypto.randomUUID();
const secrets = { anthropic: { apiKey: process.env.ANTHROPIC_API_KEY! } };
const first = await client.submitRun({ model: "claude-haiku-4-5", prompt: "...", idempotencyKey, secrets });
try {
  await client.submitRun({ model: "claude-haiku-4-5", prompt: "something else", idempotencyKey, secrets });
} catch (err) {
  if (!(err instanceof HttpError)) throw err;
  const { error } = err.body;
  console.log(JSON.stringify({ id: first.id, status: err.status, code: error.code, details: error.details, said: error.message }));
}
`,
  outputs: `${client}
const apiKey = process.env.ANTHROPIC_API_KEY!;
const ref = await client.submitRun({
  model: "claude-opus-4-7",
  prompt: "Produce a report and stash working files",
  outputDirs: ["/workspace/outputs", "/workspace/state"],
  secrets: { anthropic: { apiKey } }
});

await ref.download({ to: "./run-archive.zip" });
`,
  "whole-outputs": `${client}
const ref = await client.submitRun({
  model: "claude-opus-4-7",
  prompt: "Produce a report and stash working files",
  outputDirs: ["/workspace/outputs", "/workspace/state"],
  secrets: { anthropic: { apiKey: process.env.ANTHROPIC_API_KEY! } }
});
await ref.wait();
await ref.download({ to: "./whole-archive.zip" });
`,
  events: `${client}
const ref = await client.submitRun({
  model: "claude-opus-4-7",
  prompt: "Produce a report and stash working files",
  outputDirs: ["/workspace/outputs"],
  secrets: { anthropic: { apiKey: process.env.ANTHROPIC_API_KEY! } }
});
const types: string[] = [];
const ids = new Set<string>();
for await (const event of ref.stream({ intervalMs: 1000 })) {
  types.push(event.type);
  ids.add(event.id);
}
console.log(JSON.stringify({ types, ids: ids.size }));
`,
  "keyless-endpoints": `${client}
const template = { model: "claude-haiku-4-5", prompt: "..." } as const;
const proxyEndpoints = [
  {
    name: "wikimedia",
    baseUrl: "https://commons.wikimedia.org",
    authShape: { type: "none" },
    allowMethods: ["GET"],
    allowPathPrefixes: ["/wiki/", "/w/api.php"]
  }
] as const;

const ref = await client.submitRun(template, {
  proxyEndpoints,
  secrets: { anthropic: { apiKey: process.env.ANTHROPIC_API_KEY! } }
});
console.log(JSON.stringify(await ref.wait()));
`,
  "endpoint-class": `
import { AntpathClient } from "antpath";
import { ProxyEndpoint } from "antpath";

const keyless = ProxyEndpoint.none({
  name: "wikimedia",
  baseUrl: "https://commons.wikimedia.org",
  allowMethods: ["GET"],
  allowPathPrefixes: ["/wiki/", "/w/api.php"]
});
const client = new AntpathClient({ apiToken: process.env.API_TOKEN! });
const { submission } = await client.run({
  model: "claude-haiku-4-5",
  prompt: "...",
  proxyEndpoints: [keyless],
  secrets: { anthropic: { apiKey: process.env.ANTHROPIC_API_KEY! } }
});
console.log(JSON.stringify({ submission }));
`,
  skills: `
const apiToken = process.env.API_TOKEN!;
import { AntpathClient, Skill } from "antpath";

const client = new AntpathClient({ apiToken });

// First publish.
const draft = await Skill.fromPath("./skills/broll-provider-ingest", {
  name: "broll-provider-ingest"
});
const persisted = await draft.upload(client);
console.log(persisted.record!.id); // skl_…

const skill = await Skill.fromPath("./skills/broll-provider-ingest", {
  name: "broll-provider-ingest"
}).then((draft) => draft.uploadIfChanged(client));
console.log(skill.record!.id);

const byHash = await client.skills.findByHash({
  name: "broll-provider-ingest",
  contentHash: skill.record!.contentHash
});
console.log(byHash!.id);

const byName = await client.skills.findByName("broll-provider-ingest");
console.log(byName!.id);
console.log((await client.skills.findByName("never-uploaded")) === null);

const ref = await client.submitRun({
  model: "claude-haiku-4-5",
  prompt: "...",
  skills: [skill],
  secrets: { anthropic: { apiKey: process.env.ANTHROPIC_API_KEY! } }
});
console.log((await ref.wait()).status);
`,
};

/** Leads the default address to a gateway; of the first submissions it drops the answers. */
const lead = `
const real = globalThis.fetch;
let dropped = Number(process.env.DROPPED ?? 0);
globalThis.fetch = async (input, init) => {
  const answer = await real(String(input).replace("http://127.0.0.1:7475", process.env.GATEWAY), init);
  if (init?.method !== "POST" || !String(input).endsWith("/api/runs") || dropped === 0) return answer;
  dropped -= 1;
  await answer.body?.cancel();
  throw new TypeError("fetch failed");
};
`;

beforeAll(async () => {
  await mock.start();
  wire = await openWire(mock.url);
  const makeFiles =
    "mkdir -p /workspace/outputs /workspace/state; echo report > /workspace/outputs/report.md; echo 1 > /workspace/state/step";
  mock.onMessage("Produce a report", (request) =>
    request.messages.some((message) => message.role === "tool")
      ? { content: "There they are" }
      : {
          toolCalls: [{ name: "sandbox_exec", arguments: JSON.stringify({ command: makeFiles }) }],
        },
  );
  mock.onMessage("...", { content: "Done" });
  gateway = await startGateway({ env: { ANTHROPIC_BASE_URL: wire.url } });
  await installSdk(folder);
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(join(folder, "lead.mjs"), lead);
  for (const [name, text] of Object.entries(examples)) {
    const program = text.replaceAll('from "antpath"', 'from "@airlock/sdk/compat"');
    writeFileSync(join(folder, `${name}.ts`), program);
  }
  const skill = join(folder, "skills/broll-provider-ingest");
  mkdirSync(join(skill, "bin"), { recursive: true });
  const head = "name: broll-provider-ingest\ndescription: Finds material for a film";
  writeFileSync(join(skill, "SKILL.md"), `---\n${head}\n---\nUse bin/ingest.\n`);
  writeFileSync(join(skill, "bin/ingest"), "#!/bin/sh\necho ingested\n", { mode: 0o755 });
}, 180_000);
afterAll(async () => {
  await gateway?.stop();
  await wire?.close();
  await mock.stop();
});

/** What an example prints, line by line. */
async function played(name: string, env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  const known = { GATEWAY: gateway.url, API_TOKEN: gateway.token, ANTHROPIC_API_KEY: apiKey };
  const options = { env: { ...known, ...env }, flags: ["--import", "./lead.mjs"] };
  const { code, stdout, stderr } = await runProgram(folder, `${name}.ts`, options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trim().split("\n");
}

describe("the examples of 0.8 with another import line", () => {
  it("are right for the compiler", async () => {
    const files = Object.keys(examples).map((name) => `${name}.ts`);
    expect(await checkTypes(folder, files)).toBe("");
  });

  it("safe retries: one run, however often the answer is lost on the way", async () => {
    const before = (await clientOf(gateway).listRuns()).runs.length;
    // More than the client repeats by itself, so that the loop of the example has to.
    const [line = ""] = await played("safe-retries", { DROPPED: "4" });
    const { id, again, status } = JSON.parse(line);
    expect(status).toBe("succeeded");
    expect(again).toBe(id);
    expect((await clientOf(gateway).listRuns()).runs).toHaveLength(before + 1);
    expect(wire.requests.at(-1)?.headers["x-api-key"]).toBe(apiKey);
  });

  it("the same key for something else is an HttpError that names the run", async () => {
    const [line = ""] = await played("key-conflict");
    const { id, status, code, details, said } = JSON.parse(line);
    expect({ status, code, details }).toEqual({
      ...{ status: 409, code: "idempotency_conflict" },
      details: { existingRunId: id },
    });
    expect(said).not.toBe("");
  });

  it("outputs: one archive of a run that has just been submitted", async () => {
    await played("outputs");
    const { manifest, names } = await archive("run-archive.zip");
    expect(names).toEqual(expect.arrayContaining(["run.json", "events.jsonl", "manifest.json"]));
    expect(manifest.source).toBe(manifest.partial ? "live" : "s3");
  });

  it("outputs: one archive with the files of both directories of a run that has ended", async () => {
    await played("whole-outputs");
    const { zip, manifest, text } = await archive("whole-archive.zip");
    expect(manifest).toMatchObject({ source: "s3", partial: false, missing: [] });
    const paths = manifest.outputs.map(({ sourcePath }: { sourcePath: string }) => sourcePath);
    expect(paths.sort()).toEqual(["/workspace/outputs/report.md", "/workspace/state/step"]);
    for (const { path, byteSize } of manifest.outputs) expect(zip.get(path)).toHaveLength(byteSize);
    expect(JSON.parse(text("run.json"))).toMatchObject({ status: "succeeded" });
    expect(text("events.jsonl").trim().split("\n").length).toBeGreaterThan(5);
  });

  async function archive(file: string) {
    const zip = await readZip(readFileSync(join(folder, file)));
    const text = (name: string) => Buffer.from(zip.get(name) ?? []).toString();
    return { zip, text, names: [...zip.keys()], manifest: JSON.parse(text("manifest.json")) };
  }

  it("events: each once, from the submission to the end", async () => {
    const [line = ""] = await played("events");
    const { types, ids } = JSON.parse(line);
    expect(types[0]).toBe("run.submitted");
    expect(types.at(-1)).toBe("run.finished");
    expect(ids).toBe(types.length);
  });

  it("credentials: a keyless endpoint as data, with a template, and of the class", async () => {
    const run = JSON.parse((await played("keyless-endpoints")).at(-1) ?? "");
    const { submission } = JSON.parse((await played("endpoint-class")).at(-1) ?? "");
    expect(run.status).toBe("succeeded");
    expect(run.submission.proxyEndpoints).toMatchObject([
      {
        name: "wikimedia",
        authShape: { type: "none" },
        allowPathPrefixes: ["/w/api.php", "/wiki/"],
      },
    ]);
    expect(submission.proxyEndpoints).toEqual(run.submission.proxyEndpoints);
  });

  it("skills: uploaded once, found by content and by name, and given to a run", async () => {
    const lines = await played("skills");
    const [id = "", unchanged, byHash, byName, none, status] = lines;
    expect(id).toMatch(/^skl_/);
    expect([unchanged, byHash, byName]).toEqual([id, id, id]);
    expect({ none, status }).toEqual({ none: "true", status: "succeeded" });
  });
});
