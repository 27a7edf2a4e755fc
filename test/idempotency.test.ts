/** The same key and body is the same run, whatever the spelling and the secrets; anything else says so. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({
    script: { turns: [{ text: "hello" }] },
    env: { ANTHROPIC_API_KEY: "the-gateway's-own-key" },
  });
});
afterAll(() => gateway.stop());

const submit = (body: unknown, key?: string) =>
  call(gateway, "POST", "/api/runs", body, key === undefined ? {} : { "idempotency-key": key });
const idOf = ({ body }: { body: Record<string, unknown> }) => (body.run as { id: string }).id;
const base = { model: "scripted/x", prompt: "p" };

it("gives one run to 50 parallel submissions with one key", async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => submit(base, "fifty")));
  expect(new Set(answers.map(idOf)).size).toBe(1);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(49);
});

it("takes another spelling of the same submission for the same", async () => {
  const first = await submit({ ...base, idempotencyKey: "spelling" });
  expect(first.status).toBe(201);
  const spellings = [
    `{ "prompt": ["p"],\n "model":"scripted/x", "idempotencyKey":"spelling" }`,
    { ...base, idempotencyKey: "spelling", outputDirs: [] },
    { ...base, idempotencyKey: "spelling", metadata: {}, limits: {}, files: [] },
    { ...base, idempotencyKey: "spelling", secrets: {} },
  ];
  for (const spelling of spellings) {
    const again = await submit(spelling);
    expect([again.status, idOf(again)]).toEqual([200, idOf(first)]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  }
});

it("does not look at secrets: a rotated key is still the same run", async () => {
  const withKey = (apiKey: string) => ({
    model: "anthropic/claude-x",
    prompt: "p",
    secrets: { anthropic: { apiKey } },
  });
  const first = await submit(withKey("key-number-one"), "rotated");
  const again = await submit(withKey("key-number-two"), "rotated");
  expect([first.status, again.status]).toEqual([201, 200]);
  expect(idOf(again)).toBe(idOf(first));
  await call(gateway, "POST", `/api/runs/${idOf(first)}/cancel`);
});

it("takes the same input file for the same, inline or as a part", async () => {
  const inline = await submit(
    { ...base, files: [{ path: "a.txt", content: "same" }] },
    "file-either-way",
  );
  const form = new FormData();
  const submission = { ...base, files: [{ path: "a.txt", slot: "one" }] };
  form.append("submission", new Blob([JSON.stringify(submission)], { type: "application/json" }));
  form.append("file:one", new Blob(["same"]));
  const response = await fetch(`${gateway.url}/api/runs`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${gateway.token}`,
      "idempotency-key": "file-either-way",
    },
    body: form,
  });
  expect(response.status).toBe(200);
  expect(((await response.json()) as { run: { id: string } }).run.id).toBe(idOf(inline));
});

it("refuses the key for another body and names the run that has it", async () => {
  const first = await submit(base, "conflict");
  for (const other of [
    { ...base, prompt: "q" },
    { ...base, system: "s" },
    { ...base, outputDirs: ["/workspace/o"] },
    { ...base, files: [{ path: "f", content: "x" }] },
    { ...base, limits: { turns: 3 } },
  ]) {
    const answer = await submit(other, "conflict");
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({
      error: { code: "idempotency_conflict", details: { existingRunId: idOf(first) } },
    });
  }
});

it("makes a new run for every submission without a key, and for the same key of another workspace", async () => {
  const a = await submit(base);
  const b = await submit(base);
  expect(idOf(a)).not.toBe(idOf(b));
  await submit(base, "shared-key");
  const token = await clientOf(gateway).tokens.create({
    name: "n",
    scopes: ["runs"],
    workspace: "elsewhere",
  });
  const other = { url: gateway.url, token: token.secret };
  const answer = await call(other, "POST", "/api/runs", base, { "idempotency-key": "shared-key" });
  expect(answer.status).toBe(201);
});

it("answers 410 for the key of a run that was deleted, and 409 while a run goes on", async () => {
  const first = await submit(base, "deleted");
  await clientOf(gateway).wait(idOf(first));
  expect((await call(gateway, "DELETE", `/api/runs/${idOf(first)}`)).status).toBe(200);
  const again = await submit(base, "deleted");
  expect(again.status).toBe(410);
  expect(again.body).toMatchObject({ error: { code: "run_deleted" } });
  expect((await call(gateway, "GET", `/api/runs/${idOf(first)}`)).status).toBe(410);
});
