/** A yes and an end that come in the same moment: one of them counts, the run ends whole, and rows and journals agree. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { untilEvent } from "./support/results-of.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const command = "curl -sS -m 1 https://nowhere.invalid/";
let gateway: StartedGateway;
beforeAll(async () => {
  const calls = [{ tool: "sandbox_exec", arguments: { command } }];
  gateway = await startGateway({ script: { turns: [{ calls }, { text: "Done." }] } });
});
afterAll(() => gateway.stop());

it("an approval that meets a cancellation or a stop leaves nothing half done", async () => {
  const client = clientOf(gateway);
  for (let round = 0; round < 12; round++) {
    const run = await client.submitRun({ model: "scripted/x", prompt: "go" });
    await untilEvent(run, "approval.requested");
    const { waiting } = await run.get();
    const asked = waiting?.on === "approval" ? waiting.approvalId : "";
    const end =
      round % 2 === 0 ? client.cancelRun(run.id) : client.stopRun(run.id, { reason: "Enough" });
    await Promise.allSettled([client.approvals.approve(asked, {}), end]);
    const { status } = await client.wait(run.id, { timeoutMs: 10_000 });
    expect(["cancelled", "terminated", "succeeded"]).toContain(status);
    expect((await client.approvals.get(asked)).status).toMatch(/^(approved|cancelled)$/);
    expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
  }
  expect((await client.verify()).defects).toEqual([]);
});
