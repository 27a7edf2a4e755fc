/**
 * One program for Node 20 and later, Deno and Bun: submits a run, follows it, and fetches what it made.
 *
 *   node everywhere.mjs http://127.0.0.1:7475 "$TOKEN" scripted/demo
 *   deno run --allow-net --allow-read --allow-write everywhere.mjs …
 *   bun everywhere.mjs …
 */
import { AirlockClient, isNotFound, isRunFinished, Skill } from "@airlock/sdk";

const [baseUrl, token, model] = process.argv.slice(2);
const airlock = new AirlockClient({ baseUrl, token });

const skill = await Skill.fromFiles({
  name: "greeting",
  files: { "SKILL.md": "---\nname: greeting\ndescription: How to greet\n---\nSay hello.\n" },
});
const uploaded = await skill.uploadIfChanged(airlock);

const run = await airlock.submitRun({
  model,
  prompt: "Write hello.txt",
  files: [
    { path: "note.txt", content: "in the request" },
    { path: "beside.txt", bytes: new TextEncoder().encode("x".repeat(100_000)) },
  ],
  skills: [uploaded],
  outputDirs: ["/workspace/out"],
});

const types = [];
let status;
for await (const event of run.stream()) {
  types.push(event.type);
  if (isRunFinished(event)) status = event.data.status;
}

const zip = await run.download();
const saved = await run.download({ to: "run.zip" });
const text = await run.downloadOutput({ path: "hello.txt", match: "suffix" });
const missing = await airlock.getRun("run_01kadz3v6m5c0jx9s2qf8t7w4b").catch((error) => error);

console.log(
  JSON.stringify({
    status,
    first: types[0],
    last: types.at(-1),
    zipBytes: zip.length,
    savedBytes: saved.bytes,
    output: new TextDecoder().decode(text),
    missing: isNotFound(missing),
    skill: uploaded.contentHash,
  }),
);
