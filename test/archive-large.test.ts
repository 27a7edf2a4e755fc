/** An archive of any size passes through little memory, on both sides, and holds up nobody. */
import { createWriteStream, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, it } from "vitest";
import { verifyArchive } from "../src/attest/attest.ts";
import { clientOf } from "./support/airlock-api.ts";
import { residentBytes } from "./support/resident-memory.ts";
import { newDataDir, startGateway } from "./support/start-gateway.ts";

const MiB = 1024 * 1024;
const size = 128 * MiB;
const command = [
  "mkdir -p /workspace/out; cd /workspace/out",
  `head -c ${size} /dev/urandom > noise.bin`,
  `yes 'the same line again' | head -c ${32 * MiB} > lines.txt`,
].join("; ");
const script = {
  turns: [{ calls: [{ tool: "sandbox_exec", arguments: { command } }] }, { text: "done" }],
};

describe("a large archive", () => {
  it("is sent and verified in little memory, while others are answered", async () => {
    const dataDir = newDataDir();
    const maker = await startGateway({ script, dataDir });
    const made = await clientOf(maker).submitRun({
      ...{ model: "scripted/x", prompt: "go", outputDirs: ["/workspace/out"] },
    });
    expect(await made.wait()).toMatchObject({ status: "succeeded" });
    await maker.stop();
    const gateway = await startGateway({ script, dataDir });
    try {
      const before = residentBytes(gateway.pid);
      const path = join(dataDir, "taken.zip");
      const answer = await fetch(`${gateway.url}/api/runs/${made.id}/archive`, {
        headers: { authorization: `Bearer ${gateway.token}` },
      });
      let most = 0;
      let answers = 0;
      let isOver = false;
      const others = (async () => {
        for (; !isOver; answers++) await (await fetch(`${gateway.url}/healthz`)).text();
      })();
      const body = Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]);
      body.on("data", () => {
        most = Math.max(most, residentBytes(gateway.pid));
      });
      await pipeline(body, createWriteStream(path));
      isOver = true;
      await others;
      expect((most - before) / MiB).toBeLessThan(100);
      // It takes a second; one that hashed all of it in a row would answer a few times.
      expect(answers).toBeGreaterThan(20);

      const own = process.memoryUsage.rss();
      let mostOwn = 0;
      const report = await verifyArchive(path, {
        onProgress: () => {
          mostOwn = Math.max(mostOwn, process.memoryUsage.rss());
        },
      });
      expect(report.faults).toEqual([]);
      // What packs well is packed, and what does not is left as it is.
      expect(report.bytes).toBeGreaterThan(size);
      expect(report.bytes).toBeLessThan(size + 4 * MiB);
      expect((mostOwn - own) / MiB).toBeLessThan(160);
    } finally {
      await gateway.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  }, 180_000);
});
