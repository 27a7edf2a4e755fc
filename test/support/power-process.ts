/**
 * A process that keeps blobs and facts in a data directory, for a test that watches every system call it makes: `<dir>`.
 * It prints a line for everything that it was promised is durable; the line itself is a system call, so it has its place
 * among the others.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { openThreads } from "../../src/base/threads.ts";
import { openBlobs } from "../../src/content/content.ts";
import { newId } from "../../src/contract/ids.ts";
import { openStore } from "../../src/store/store.ts";

const [dir = ""] = process.argv.slice(2);
const log = openLog("silent");
const workspaceId = newId("workspace");

function say(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

/** One start of a gateway's two stores: some runs side by side, each with blobs that its events name, and an end. */
async function work(start: number): Promise<void> {
  const onBroken = (error: unknown) => {
    throw error;
  };
  const threads = openThreads({ log });
  const store = await openStore({ dir, clock: systemClock, log, onBroken });
  const blobs = await openBlobs({ dir, clock: systemClock, log, threads, onBroken });
  await Promise.all(
    [0, 1, 2].map(async (number) => {
      const runId = newId("run");
      await store.journal.submit({
        ...{ runId, workspaceId, idempotencyKey: runId, bodyHash: `sha256:${"0".repeat(64)}` },
        ...{ snapshot: { model: "scripted/x", prompt: ["go"] }, secrets: [], submittedBy: "t" },
      });
      say({ runId, seq: 1 });
      await store.journal.claim(runId, store.epoch);
      for (let seq = 1; seq < 6; seq++) {
        const text = `${start} ${number} ${seq} ${"x".repeat(seq * seq * 900)}`;
        const { sha256, bytes } = await blobs.put(Buffer.from(text));
        say({ sha256 });
        const content = [{ name: `n${seq}`, visibility: "session" as const, sha256, bytes }];
        const appended = await store.journal.append(runId, { epoch: store.epoch, seq }, [
          {
            type: "call.finished",
            data: {
              ...{ call_id: newId("call"), tool: "content_write", outcome: "returned" },
              ...{ result: { ok: true }, duration_ms: 1, content },
            },
          },
        ]);
        if (appended.type === "appended") say({ runId, seq: seq + 1, sha256 });
      }
    }),
  );
  await store.close();
  await threads.close();
}

await work(1);
await work(2);
