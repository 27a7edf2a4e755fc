/**
 * Fifty runs of one tree against a small budget, and a model server that counts what it bills: neither what it billed nor
 * what is on the account is ever above the budget, through kill -9 as well.
 */
import { expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { type Asked, type Bill, openBillingServer } from "./support/billing-server.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";
import { inStore, submitTree } from "./support/tree-in-store.ts";

const tokens = 900_000;
const children = 50;
const deaths = 2;
/** Whatever is reserved at a death counts, so few are at work then; all of them are afterwards. */
const atDeath = 8;

/**
 * Cheap turns and dear ones, up to all that may be billed, and trouble of every kind. Its tokens have two bytes each, always:
 * a model has one tokenizer, and what it has billed for a text once it bills again.
 */
function bill({ bytes, maxTokens, turn, at }: Asked): Bill {
  const call = { tool: "content_read", arguments: { name: `none-${turn}` } };
  const goesOn = turn < 2 ? { call } : {};
  const input = Math.ceil(bytes / 2);
  if (at % 17 === 5) return { input: 0, output: 0, status: 429 };
  if (at % 19 === 7) return { input, output: maxTokens, cut: true };
  if (at % 23 === 9) return { input, output: 50, said: "" };
  if (at % 13 === 3) return { input, output: 50, silent: true, ...goesOn };
  if (at % 5 === 1) return { input, output: maxTokens, ...goesOn };
  return { input, output: 300, ...goesOn };
}

async function untilBilled(server: { billed: { requests: number } }, requests: number) {
  while (server.billed.requests < requests) await new Promise((next) => setImmediate(next));
}

it("50 parallel runs of a tree are never billed more than its budget, nor settle more, through kill -9", async () => {
  const server = await openBillingServer(bill);
  const dataDir = newDataDir();
  const start = (runs: number) => {
    const most = { AIRLOCK_MAX_RUNS: `${runs}`, AIRLOCK_MAX_RUNS_PER_WORKSPACE: `${runs}` };
    return startGateway({ dataDir, env: { ...server.env, ...most } });
  };
  let gateway: StartedGateway = await start(1);
  try {
    await gateway.stop();
    const snapshot = { model: "compatible/billed", prompt: ["go"] };
    const tasks = Array.from({ length: children }, () => snapshot);
    const tree = await submitTree(dataDir, { ...snapshot, budget: { tokens } }, tasks);
    const account = () =>
      inStore(dataDir, (store) => store.budgets.shown(tree.workspaceId, tree.rootRunId));
    for (let death = 0; death < deaths; death++) {
      const before = server.billed.requests;
      gateway = await start(atDeath);
      await untilBilled(server, before + 6 + 3 * death);
      await gateway.kill9();
      const shown = await account();
      // The dead asked nothing more; what they had reserved counts.
      expect(server.billed.tokens).toBeLessThanOrEqual(shown?.tokens.used ?? 0);
      expect(shown?.tokens.used).toBeLessThanOrEqual(tokens);
    }
    gateway = await start(64);
    const client = clientOf(gateway);
    const ended = await Promise.all(tree.runs.map((id) => client.run(id).wait()));
    const reasons = new Set(ended.map(({ status, stop_reason }) => `${status} ${stop_reason}`));
    expect(reasons).toContain("terminated budget");
    expect([...reasons].sort()).toEqual(
      [...reasons]
        .filter((reason) => /^(terminated budget|succeeded end_turn)$/.test(reason))
        .sort(),
    );
    for (const { stop_reason, message } of ended) {
      if (stop_reason === "budget") expect(message).toMatch(/tokens/);
    }
    await gateway.stop();
    const shown = await account();
    expect(shown?.tokens).toMatchObject({ limit: tokens, reserved: 0 });
    expect(shown?.tokens.used).toBeLessThanOrEqual(tokens);
    expect(server.billed.tokens).toBeLessThanOrEqual(shown?.tokens.used ?? 0);
    const verified = await inStore(dataDir, (store) => store.verify());
    expect(verified).toMatchObject({ ok: true, defects: [] });
  } finally {
    await gateway.stop();
    await server.close();
  }
}, 240_000);
