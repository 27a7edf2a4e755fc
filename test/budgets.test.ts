/** The budget of a run tree over HTTP: what each limit ends with, and what a model is asked then: nothing. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunBudget } from "../src/contract/submission.ts";
import { isEvent } from "../src/sdk/sdk.ts";
import { call, clientOf, historyOf } from "./support/airlock-api.ts";
import { type Bill, type BillingServer, openBillingServer } from "./support/billing-server.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { inStore } from "./support/tree-in-store.ts";

let server: BillingServer;
let gateway: StartedGateway;
const dataDir = newDataDir();
/** What the server answers to the prompt of a test, turn by turn. */
const answers = new Map<string, Bill[]>();
const run = (command: string) => ({ call: { tool: "sandbox_exec", arguments: { command } } });
const look = (name: string) => ({ call: { tool: "content_read", arguments: { name } } });

beforeAll(async () => {
  server = await openBillingServer(({ prompt }) => {
    const [, bills = []] = [...answers].find(([name]) => prompt.includes(name)) ?? [];
    return bills.shift() ?? { input: 10, output: 10 };
  });
  const prices = join(dataDir, "prices.json");
  writeFileSync(prices, '{"compatible/priced": {"input": 2, "output": 10}}');
  const env = { AIRLOCK_PRICES: prices, AIRLOCK_BUDGET_TURNS: "50", AIRLOCK_BUDGET_SECONDS: "900" };
  gateway = await startGateway({ dataDir, env: { ...server.env, ...env } });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

async function ended(budget: RunBudget, bills: Bill[], over: { fallbackModel?: string } = {}) {
  const prompt = `test-${answers.size}-`;
  answers.set(prompt, bills);
  const client = clientOf(gateway);
  const run = await client.submitRun({ model: "compatible/priced", prompt, budget, ...over });
  const end = await run.wait();
  const history = await historyOf(gateway, run.id);
  const lost = history.filter((event) => isEvent(event, "turn.lost")).map(({ data }) => data);
  const asked = server.asked.filter((one) => one.prompt.includes(prompt));
  return { end, lost, asked, id: run.id };
}

describe("a tree that used up its budget is terminated with the limit's name", () => {
  it("of tokens, before the model is asked for what does not fit", async () => {
    const { end, asked } = await ended({ tokens: 30_000 }, [
      { input: 28_000, output: 500, ...look("a") },
    ]);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget", turns: 1 });
    expect(end.message).toMatch(
      /no room for another turn: tokens: 28500 of 30000 used, 0 reserved, \d+ asked$/,
    );
    expect(asked).toHaveLength(1);
  });

  it("of money, by the price table", async () => {
    const usd = 0.12;
    const { end, asked } = await ended({ usd }, [{ input: 10_000, output: 9_000, ...look("a") }]);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget", costUsd: 0.11 });
    expect(end.message).toMatch(/usd: 0\.11 of 0\.12 used, 0 reserved, 0\.0\d+ asked$/);
    expect(asked).toHaveLength(1);
  });

  it("of turns", async () => {
    const { end, asked } = await ended({ turns: 2 }, [
      { input: 10, output: 10, ...look("a") },
      { input: 10, output: 10, ...look("b") },
    ]);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget", turns: 2 });
    expect(end.message).toMatch(/turns: 2 of 2 used, 0 reserved, 1 asked$/);
    expect(asked).toHaveLength(2);
  });

  it("of calls, before the call starts", async () => {
    const { end, id } = await ended({ calls: 1 }, [
      { input: 10, output: 10, ...run("true") },
      { input: 10, output: 10, ...run("echo b") },
    ]);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget", calls: 1 });
    expect(end.message).toBe(
      "The budget of the run tree has no call left: calls: 1 of 1 used, 1 asked",
    );
    const started = (await historyOf(gateway, id)).filter(({ type }) => type === "call.started");
    expect(started).toHaveLength(1);
  });

  it("of time, on the wall clock, in the middle of a call", async () => {
    const bills = [{ input: 10, output: 10, ...run("sleep 600") }];
    const { end } = await ended({ wallClockSeconds: 2 }, bills);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget" });
    expect(end.message).toMatch(/wallClockSeconds: 2 s since its start are over$/);
  });

  it("of money that nobody can count: a model without a price is not asked", async () => {
    const { end, asked } = await ended({ usd: 5 }, [], { fallbackModel: "compatible/unknown" });
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget", turns: 0 });
    expect(end.message).toMatch(/^compatible\/unknown has no price.*AIRLOCK_PRICES/);
    expect(asked).toHaveLength(0);
  });

  it("when the last answer that was paid for was cut off", async () => {
    const { end, asked } = await ended({ tokens: 16_000 }, [
      { input: 5_000, output: 3_000, finish: "length" },
    ]);
    expect(asked[0]?.maxTokens).toBeLessThan(8192);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget", turns: 1 });
    expect(end.message).toMatch(/cut off after \d+ tokens, the last/);
  });
});

describe("what a turn costs of which nobody says what it cost", () => {
  it("is never less than nothing, whatever its server says", async () => {
    const bills = [
      { input: 5_000, output: -1_000_000_000, ...look("a") },
      { input: -1_000_000_000.5, output: 10, ...look("b") },
      { input: 1e300, output: 10, ...look("c") },
    ];
    const { end, id } = await ended({ tokens: 100_000, usd: 1 }, bills);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget" });
    const replies = (await historyOf(gateway, id)).filter((one) => isEvent(one, "turn.replied"));
    expect(replies.map(({ data }) => [data.usage.input_tokens, data.usage.output_tokens])).toEqual([
      [5_000, 0],
      [0, 10],
      [1_000_000_000, 10],
    ]);
    const { tokens, usd } = (await clientOf(gateway).run(id).tree()).budget ?? {};
    expect(tokens?.used).toBeGreaterThan(1_000_000_000);
    expect(usd?.used).toBeGreaterThan(0);
  });

  it("is all that was reserved, when its line broke; the next attempt is reserved anew", async () => {
    const { end, lost, asked } = await ended({ tokens: 100_000 }, [
      { input: 5_000, output: 8_192, cut: true },
      { input: 5_000, output: 100 },
    ]);
    expect(end).toMatchObject({ status: "succeeded", turns: 1 });
    expect(lost).toMatchObject([{ turn: 1, reason: "retried" }]);
    expect(lost[0]?.tokens).toBeGreaterThan((asked[0]?.bytes ?? 0) / 2 + 8_192);
  });

  it("ends the tree when another attempt does not fit", async () => {
    const { end, lost, asked } = await ended({ tokens: 30_000 }, [
      { input: 5_000, output: 8_192, cut: true },
      { input: 5_000, output: 100 },
    ]);
    expect(end).toMatchObject({ status: "terminated", stop_reason: "budget" });
    expect([lost.length, asked.length]).toEqual([1, 1]);
  });

  it("is nothing, when the provider refused it before it did anything", async () => {
    const refused = { input: 0, output: 0, status: 429 };
    const { end, lost } = await ended({ tokens: 30_000 }, [refused, { input: 10, output: 10 }]);
    expect(end).toMatchObject({ status: "succeeded" });
    expect(lost).toEqual([]);
  });

  it("is all that was reserved, when the provider gives no usage", async () => {
    const { end, lost } = await ended({ tokens: 100_000 }, [{ input: 5, output: 5, silent: true }]);
    expect(end).toMatchObject({ status: "succeeded" });
    expect(lost).toMatchObject([{ turn: 1, reason: "unreported" }]);
    expect(lost[0]?.tokens).toBeGreaterThan(8_192);
  });

  it("is all that was reserved, when the run was cancelled while the model was asked", async () => {
    const prompt = "cancelled-while-asked";
    const { promise: never } = Promise.withResolvers<void>();
    answers.set(prompt, [{ input: 5, output: 5, until: never }]);
    const before = server.asked.length;
    const budget = { tokens: 100_000 };
    const run = await clientOf(gateway).submitRun({ model: "compatible/priced", prompt, budget });
    while (server.asked.length === before) await new Promise((next) => setImmediate(next));
    await run.cancel();
    expect(await run.wait()).toMatchObject({ status: "cancelled" });
    const history = await historyOf(gateway, run.id);
    expect(history.find(({ type }) => type === "turn.lost")?.data).toMatchObject({
      ...{ turn: 1, reason: "interrupted" },
    });
  });
});

describe("the operator's budget", () => {
  it("is the most that can be asked for, and what a tree gets that asks for none", async () => {
    const body = { model: "compatible/priced", prompt: "much", budget: { turns: 51 } };
    expect(await call(gateway, "POST", "/api/runs", body)).toMatchObject({
      status: 400,
      body: {
        error: {
          code: "invalid_request",
          message: "budget.turns: 51 is more than this gateway allows (50)",
        },
      },
    });
    const run = await clientOf(gateway).submitRun({ model: "compatible/priced", prompt: "little" });
    const { submission } = await run.wait();
    expect(submission.budget).toEqual({ turns: 50, wallClockSeconds: 900 });
  });

  it("makes no other run of a submission that is repeated", async () => {
    const client = clientOf(gateway);
    const request = { model: "compatible/priced", prompt: "same", idempotencyKey: "budget-key" };
    const [one, other] = [await client.submitRun(request), await client.submitRun(request)];
    expect(other.id).toBe(one.id);
    await one.wait();
  });
});

it("what was used stays used when the gateway starts again, and verify agrees", async () => {
  const { id } = await ended({ tokens: 50_000 }, [{ input: 1_000, output: 100 }]);
  const { workspaceId } = await clientOf(gateway).getRun(id);
  await gateway.stop();
  const [shown, verified] = await inStore(dataDir, async (store) => [
    await store.budgets.shown(workspaceId, id),
    await store.verify(),
  ]);
  expect(shown).toMatchObject({
    tokens: { limit: 50_000, used: 1_100, reserved: 0 },
    turns: { limit: 50, used: 1 },
    usd: { limit: null, used: (1_000 * 2 + 100 * 10) / 1e6 },
    wallClockSeconds: 900,
  });
  expect(verified).toMatchObject({ ok: true, defects: [] });
  gateway = await startGateway({ dataDir, env: server.env });
});
