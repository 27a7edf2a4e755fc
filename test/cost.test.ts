/** What a run cost, from the price table to the API: written down with each turn, and never counted anew. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { isEvent } from "../src/sdk/sdk.ts";
import { clientOf, historyOf } from "./support/airlock-api.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";

const dir = mkdtempSync(join(tmpdir(), "airlock-cost-"));
const prices = join(dir, "prices.json");
const dataDir = newDataDir();
afterAll(() => {
  for (const made of [dir, dataDir]) rmSync(made, { recursive: true, force: true });
});

const usage = { input_tokens: 1000, output_tokens: 100, cache_read_tokens: 400 };
const look = { tool: "content_read", arguments: { name: "none" } };
const script = {
  turns: [
    { calls: [look], usage },
    { text: "end", usage },
  ],
};

/** Starts a gateway on the same data directory with these prices. */
function startWith(price: { input: number; output: number; cacheRead?: number }) {
  writeFileSync(prices, JSON.stringify({ "scripted/*": price }));
  return startGateway({ script, dataDir, env: { AIRLOCK_PRICES: prices } });
}

it("a run says what it cost when it ran, also after the prices have changed", async () => {
  const first = await startWith({ input: 3, output: 15, cacheRead: 0.3 });
  const request = { model: "scripted/demo", prompt: "go" };
  const run = await clientOf(first).submitRun(request);
  const ended = await run.wait();
  const cost = (600 * 3 + 400 * 0.3 + 100 * 15) / 1e6;
  expect(ended).toMatchObject({ status: "succeeded", turns: 2, costUsd: 2 * cost });
  const history = await historyOf(first, run.id);
  const turns = history.filter((event) => isEvent(event, "turn.replied"));
  expect(turns.map(({ data }) => data.cost_usd)).toEqual([cost, cost]);
  await first.stop();

  const second = await startWith({ input: 30, output: 150 });
  const client = clientOf(second);
  expect((await client.getRun(run.id)).costUsd).toBe(2 * cost);
  const dearer = await (await client.submitRun(request)).wait();
  expect(dearer.costUsd).toBe((2 * (1000 * 30 + 100 * 150)) / 1e6);
  await second.stop();
});

it("prices that cannot be read keep the gateway from starting, with the file and the place", async () => {
  writeFileSync(prices, '{"scripted/*": {"input": "much", "output": 1}}');
  const started = startGateway({ script, env: { AIRLOCK_PRICES: prices } });
  await expect(started).rejects.toThrow(/AIRLOCK_PRICES.*scripted\/\*\.input/);
});
