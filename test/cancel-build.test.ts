/** A run that is cancelled while it builds ends as cancelled, at once, and leaves no half layer. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { type StartedGateway, startGateway } from "./support/start-gateway.ts";

const command =
  "mkdir deps && for i in 1 2 3 4 5 6; do head -c 60000000 /dev/urandom >deps/$i; done";
const build = (text: string) => ({
  turns: [
    {
      calls: [
        {
          tool: "sandbox_exec",
          arguments: { command: text, capture_paths: [{ path: "/tmp/deps" }] },
        },
      ],
    },
    { text: "end" },
  ],
});
const scripts = { large: build(command), slow: build("echo began; sleep 100") };

let gateway: StartedGateway;
beforeAll(async () => {
  gateway = await startGateway({ script: { scripts } });
});
afterAll(() => gateway.stop());

it("is cancelled, although it was capturing", async () => {
  const run = await clientOf(gateway).submitRun({ model: "scripted/large", prompt: "go" });
  for await (const event of run.stream({ live: true })) {
    if (event.type === "call.capturing") await run.cancel();
  }
  const ended = await run.get();
  expect(ended).toMatchObject({ status: "cancelled", cleanup_status: "succeeded" });
  expect(defectsOf(run.id, await historyOf(gateway, run.id))).toEqual([]);
  expect(gateway.log()).not.toContain("run.failed");
  const incoming = join(gateway.dataDir, "layers/incoming");
  await expect.poll(() => readdirSync(incoming)).toEqual([]);
});

it("is cancelled, although it waits for the same build of another run", async () => {
  const client = clientOf(gateway);
  const first = await client.submitRun({ model: "scripted/slow", prompt: "go" });
  for await (const event of first.stream({ live: true })) if (event.type === "call.output") break;
  const second = await client.submitRun({ model: "scripted/slow", prompt: "go" });
  for await (const event of second.stream()) if (event.type === "call.started") break;
  await second.cancel();
  expect(await second.wait({ timeoutMs: 20_000 })).toMatchObject({ status: "cancelled" });
  expect(await first.get()).toMatchObject({ status: "running" });
  await first.cancel();
  expect(await first.wait({ timeoutMs: 20_000 })).toMatchObject({ status: "cancelled" });
});
