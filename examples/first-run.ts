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

// Durable events come whole, in order and exactly once; `stream({ live: true })` adds text and output as they appear.
for await (const event of run.stream()) {
  if (isEvent(event, "turn.replied")) {
    for (const part of event.data.parts) if (typeof part.text === "string") say(part.text);
  } else if (isEvent(event, "call.started")) say(`[${event.data.tool}]`);
  else if (isEvent(event, "call.finished")) say(JSON.stringify(event.data.result));
  else if (isEvent(event, "run.finished")) say(event.data.status);
}

const { path, bytes } = await run.download({ to: `${run.id}.zip` });
say(`${path}, ${bytes} bytes`);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
