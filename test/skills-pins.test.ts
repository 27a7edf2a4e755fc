/** Whose bytes are whose: a run keeps what it was given, whatever becomes of the record, and lets go of what came along. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, clientOf } from "./support/airlock-api.ts";
import {
  type BundleFiles,
  contentHashOf,
  run,
  transient,
  uploaded,
} from "./support/given-bundles.ts";
import { ageBlobs, blobsIn } from "./support/old-blobs.ts";
import { openPlayingModel, type PlayingModel } from "./support/playing-model.ts";
import { resultsOf } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const hello: BundleFiles = { "SKILL.md": "# Hello", "bin/hello.sh": ["echo HELLO", 0o755] };
const extra: BundleFiles = { "SKILL.md": "# Extra", "only/here.txt": "nobody else has this" };
const cat = "cat /airlock/skills/*/SKILL.md; sh /airlock/skills/hello/bin/hello.sh";

let gateway: StartedGateway;
let model: PlayingModel;
const gate = Promise.withResolvers<void>();
const asked = Promise.withResolvers<void>();
beforeAll(async () => {
  model = await openPlayingModel({
    holds: [{ text: "done", when: gate.promise, onAsked: () => asked.resolve() }],
    reads: [[{ tool: "sandbox_exec", arguments: { command: cat } }], "done"],
  });
  gateway = await startGateway({ env: model.env });
});
afterAll(async () => {
  await gateway.stop();
  await model.close();
});

/** What is left of a bundle on disk once all of it is old and a sweep has been there: 3 blobs, or none. */
async function left(bundle: BundleFiles): Promise<number> {
  ageBlobs(gateway.dataDir);
  await clientOf(gateway).gc({ dryRun: false });
  const files = Object.values(bundle).map((file) => String(Array.isArray(file) ? file[0] : file));
  const digests = files.map((text) => `sha256:${createHash("sha256").update(text).digest("hex")}`);
  const own = new Set([contentHashOf(bundle), ...digests]);
  return blobsIn(gateway.dataDir).filter((sha256) => own.has(sha256)).length;
}

const play = (part: string, submission: object, parts = {}) =>
  run(gateway, { model: "compatible/any", prompt: `play ${part}`, ...submission }, parts);
const ended = (id: string) => clientOf(gateway).wait(id, { signal: AbortSignal.timeout(20_000) });

it("a skill that is deleted stays with the runs that have it, and what came along goes with its run", async () => {
  const id = await uploaded(gateway, "skills", "hello", hello);
  const skills = [{ kind: "workspace", id }];
  const both = [...skills, transient("x", "extra", extra)];
  const holding = await play("holds", { skills: both }, { "skill:x": extra });
  const done = await play("reads", { skills });
  expect(await ended(done)).toMatchObject({ status: "succeeded" });
  await asked.promise;
  expect((await call(gateway, "DELETE", `/api/skills/${id}`)).status).toBe(200);
  expect([await left(hello), await left(extra)]).toEqual([3, 3]);
  expect(await clientOf(gateway).verify()).toMatchObject({ ok: true });

  gate.resolve();
  expect(await ended(holding)).toMatchObject({ status: "succeeded" });
  expect([await left(hello), await left(extra)]).toEqual([3, 0]);
  const refused = await call(gateway, "POST", `/api/runs/${holding}/fork`, {});
  expect(refused).toMatchObject({ status: 400, body: { error: { code: "invalid_request" } } });
  expect(JSON.stringify(refused.body)).toContain("extra");

  const made = await call(gateway, "POST", `/api/runs/${done}/fork`, { message: "play reads" });
  expect(made.status).toBe(201);
  const fork = (made.body as { run: { id: string } }).run.id;
  expect(await ended(fork)).toMatchObject({ status: "succeeded" });
  expect((await resultsOf(gateway, fork)).at(-1)).toMatchObject({ stdout: "# HelloHELLO\n" });

  for (const one of [holding, done]) await call(gateway, "DELETE", `/api/runs/${one}`);
  expect(await left(hello)).toBe(3);
  expect(await clientOf(gateway).verify()).toMatchObject({ ok: true });
  await call(gateway, "DELETE", `/api/runs/${fork}`);
  expect(await left(hello)).toBe(0);
  expect(await clientOf(gateway).verify()).toMatchObject({ ok: true });
});
