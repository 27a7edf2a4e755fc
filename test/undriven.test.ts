/**
 * A run that the gateway cannot even begin to drive does not hang until somebody starts it anew: it is tried again, and then
 * it ends, and whoever waits for it goes on.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { clientOf } from "./support/airlock-api.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";

const upstream = "https://upstream.example/v1";

describe("a run that cannot be driven", () => {
  it("ends as internal after it was tried again and again", async () => {
    const dataDir = newDataDir();
    const script = { turns: [{ delayMs: 600_000, text: "Never said." }] };
    const first = await startGateway({ dataDir, script });
    const run = await clientOf(first).submitRun({
      ...{ model: "scripted/x", prompt: "go" },
      proxyEndpoints: [
        {
          ...{ name: "api", baseUrl: upstream, authShape: { type: "none" } },
          ...{ allowMethods: ["GET"], allowPathPrefixes: ["/"] },
        },
      ],
    });
    await untilEvent(run, "run.provisioned");
    await first.kill9();
    const db = new DatabaseSync(join(dataDir, "airlock.db"));
    // The disk gives back something else than was written, which nothing can be made of.
    const damage = "UPDATE events SET data = replace(data, ?, ?) WHERE seq = 1";
    db.prepare(damage).run(upstream, "https://[");
    db.close();
    const gateway = await startGateway({ dataDir, script });
    try {
      const ended = await clientOf(gateway).run(run.id).wait();
      expect(ended).toMatchObject({
        ...{ status: "failed", stop_reason: "internal", cleanup_status: "succeeded" },
      });
      expect(gateway.log().match(/run\.drive_failed/g)?.length).toBe(5);
      expect(gateway.log()).toContain("run.given_up");
    } finally {
      await gateway.stop();
    }
  }, 180_000);
});
