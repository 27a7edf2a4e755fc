import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "./http-client.ts";

/** Between two requests whose time is taken: fixed, so that a slow answer does not thin out the others. */
const everyMs = 10;

/** Reads runs and pages of their journals at a fixed pace, for a time or until `isOver`; milliseconds. */
export async function latencies(
  client: Client,
  runs: readonly string[],
  seconds: number,
  isOver = () => false,
): Promise<number[]> {
  const asked: Promise<number>[] = [];
  const start = performance.now();
  for (let count = 0; count * everyMs < seconds * 1000 && !isOver(); count++) {
    const run = runs[count % runs.length];
    const path = count % 2 ? `/api/runs/${run}` : `/api/runs/${run}/events?limit=20`;
    asked.push(latency(client, path));
    await sleep(Math.max(0, start + (count + 1) * everyMs - performance.now()));
  }
  return Promise.all(asked);
}

async function latency(client: Client, path: string): Promise<number> {
  const start = performance.now();
  await client.ask("GET", path);
  return performance.now() - start;
}
