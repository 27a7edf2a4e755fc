import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Bench, Group } from "../group.ts";
import { type Client, openClient } from "../http-client.ts";
import { interleave, middle, ratio, shownQuantiles, timed } from "../measure.ts";
import { atMost, type Row } from "../row.ts";
import { serve } from "../serve.ts";

const script = '#!/usr/bin/env python3\nprint("hello")\n';
const skill = `---
version: "1.0"
agent: {id: bench.script}
execution_mode: script
script_entry: main.py
capabilities: []
---
Says hello.
`;
/** Runs that are asked for at once while the rate is taken. */
const atOnce = 8;

/** A script agent, from the submission to its result at a client, against the same script started by its first line. */
export const scriptRows: Group = {
  name: "script",
  async run(bench: Bench): Promise<Row[]> {
    const gateway = await serve({
      dataDir: bench.newDirectory("script"),
      scripts: { none: { turns: [] } },
      env: { AIRLOCK_RATE_SUBMISSIONS: "100000", AIRLOCK_MAX_RUNS: "64" },
    });
    const client = openClient(gateway);
    const bare = join(bench.newDirectory("script-bare"), "main.py");
    writeFileSync(bare, script, { mode: 0o755 });
    try {
      const files = [
        { path: "SKILL.md", content: skill },
        { path: "main.py", content: script },
      ];
      await client.ask("POST", "/api/agents", { files });
      const variants = [
        { name: "run", once: () => timed(() => runScript(client)) },
        { name: "bare", once: () => timed(() => startBare(bare)) },
      ];
      const samples = await interleave(variants, bench.quick ? 8 : 150);
      const [windows, seconds] = bench.quick ? [2, 0.5] : [5, 3];
      const rates: number[] = [];
      const bareRates: number[] = [];
      for (let window = 0; window < windows; window++) {
        rates.push(await rateOf(() => runScript(client), seconds));
        bareRates.push(await rateOf(() => startBare(bare), seconds));
      }
      const floor = middle(bareRates);
      return [
        {
          ...{ name: "script.result", unit: "x", target: atMost(4) },
          what: "A script agent of one line of Python, from its submission to its result, against the same script bare",
          ...ratio(samples, "run", "bare"),
          detail: `${shownQuantiles(samples.get("run") ?? [])}; bare ${shownQuantiles(samples.get("bare") ?? [])}`,
        },
        {
          ...{ name: "script.rate", unit: "runs/s", target: null },
          what: `Script runs sustained, ${atOnce} at a time`,
          ...middle(rates),
          detail: `the same script bare, ${atOnce} at a time: ${floor.value.toFixed(1)} per second`,
        },
      ];
    } finally {
      client.close();
      await gateway.stop();
    }
  },
};

/** The stream of a run's events ends with the run. */
async function runScript(client: Client): Promise<void> {
  const body = { agent: "bench.script", message: "hello" };
  const { run } = JSON.parse(await client.ask("POST", "/api/runs", body)) as {
    run: { id: string };
  };
  const events = await text(await client.stream(`/api/runs/${run.id}/events`));
  if (!events.includes('"reply":"hello"')) throw new Error(`The run did not say hello: ${events}`);
}

async function startBare(path: string): Promise<void> {
  // The interpreter that a sandbox finds as well.
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
  const child = spawn(path, { env, stdio: ["ignore", "pipe", "ignore"] });
  const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (said !== "hello\n") throw new Error(`The script said ${JSON.stringify(said)}`);
}

/** How many are done in a second, when so many are at work at once. */
async function rateOf(work: () => Promise<void>, seconds: number): Promise<number> {
  const start = performance.now();
  const end = start + seconds * 1000;
  let done = 0;
  const worker = async () => {
    while (performance.now() < end) {
      await work();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return done / ((performance.now() - start) / 1000);
}
