/**
 * Submits a run, shows what happens while it happens, and saves the result.
 *
 *   AIRLOCK_TOKEN=… node examples/first-run.ts "Write the first 20 primes to /workspace/out/primes.txt"
 *
 * AIRLOCK_URL is where the gateway is, AIRLOCK_MODEL the model that is asked.
 */
import { AirlockClient, isEvent } from "../src/sdk/sdk.ts"; // an installed package: from "airlock"

const { AIRLOCK_TOKEN = "", AIRLOCK_URL, AIRLOCK_MODEL = "claude-sonnet-5" } = process.env;
const [prompt = "Say in /workspace/out/hello.txt what this sandbox is"] = process.argv.slice(2);

const airlock = new AirlockClient({
  token: AIRLOCK_TOKEN,
  ...(AIRLOCK_URL ? { baseUrl: AIRLOCK_URL } : {}),
});
const run = await airlock.submitRun({
  model: AIRLOCK_MODEL,
  prompt,
  outputDirs: ["/workspace/out"],
  limits: { turns: 20, wallClockSeconds: 600 },
});

for await (const event of run.stream({ live: true })) {
  if (event.type === "model.delta") process.stdout.write(event.data.text);
  else if (event.type === "call.output") process.stderr.write(event.data.text);
  else if (isEvent(event, "call.started")) process.stdout.write(`\n[${event.data.tool}]\n`);
  else if (isEvent(event, "run.finished")) process.stdout.write(`\n${event.data.status}\n`);
}

const { path, bytes } = await run.download({ to: `${run.id}.zip` });
process.stdout.write(`${path}, ${bytes} bytes\n`);
