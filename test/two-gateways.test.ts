/** One data directory has one gateway (I4), however many are started, whatever numbers their processes have. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { checkoutFor } from "./support/checkout-for.ts";
import { times } from "./support/soak.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const dataDir = newDataDir();
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
const { node, root } = checkoutFor(undefined);
const isRoot = process.getuid?.() === 0;
const script = { turns: [{ text: "done" }] };

/** The number of every such gateway's process is the same: it is the first in a namespace of its own. */
const asFirstProcess = [
  ...["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
  ...[node, join(root, "src/main.ts")],
];

async function startMany(count: number): Promise<{ won: StartedGateway[]; refused: string[] }> {
  const starts = Array.from({ length: count }, () => startGateway({ dataDir, script }));
  const won: StartedGateway[] = [];
  const refused: string[] = [];
  for (const start of await Promise.allSettled(starts)) {
    if (start.status === "fulfilled") won.push(start.value);
    else refused.push(String(start.reason));
  }
  return { won, refused };
}

async function expectOneOf(count: number): Promise<StartedGateway> {
  const { won, refused } = await startMany(count);
  const [winner] = won;
  if (winner === undefined) throw new Error(refused.join("\n"));
  expect(won).toHaveLength(1);
  for (const said of refused) expect(said).toContain("is in use by another gateway");
  const run = await clientOf(winner).submitRun({ model: "scripted/x", prompt: "go" });
  expect(await run.wait()).toMatchObject({ status: "succeeded" });
  return winner;
}

describe("a data directory", () => {
  it("goes to exactly one of many gateways that start at once, in a new one and after each kill -9", async () => {
    for (let round = 0; round < times(20, 3); round++) {
      const winner = await expectOneOf(4);
      await winner.kill9();
    }
    const last = await startGateway({ dataDir, script });
    expect(await clientOf(last).verify()).toMatchObject({ ok: true, defects: [] });
    expect((await clientOf(last).listRuns()).runs).toHaveLength(times(20, 3));
    expect(await last.stop()).toBe(0);
  });

  if (isRoot) {
    it("is told apart by no process number: the same one is refused, and free after kill -9", async () => {
      // Its own: from inside a namespace nobody can end what a gateway outside of it was killed in the middle of.
      const dataDir = newDataDir();
      const first = await startGateway({ dataDir, script, program: asFirstProcess });
      await expect(startGateway({ dataDir, script, program: asFirstProcess })).rejects.toThrow(
        "is in use by another gateway",
      );
      await first.kill9();
      const next = await startGateway({ dataDir, script, program: asFirstProcess });
      const run = await clientOf(next).submitRun({ model: "scripted/x", prompt: "go" });
      expect(await run.wait()).toMatchObject({ status: "succeeded" });
      await next.kill9();
      rmSync(dataDir, { recursive: true, force: true });
    });
  }
});
