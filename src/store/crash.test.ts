import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { openSampleStore } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";

const program = join(import.meta.dirname, "../../test/support/store-process.ts");

/** Kills the process after so many acknowledgements; returns the last one of every run. */
async function appendUntilKilled(
  dir: string,
  acks: number,
): Promise<Map<string, { seq: number; hash: string }>> {
  const child = spawn(process.execPath, [program, "append", dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const acked = new Map<string, { seq: number; hash: string }>();
  let seen = 0;
  for await (const text of createInterface(child.stdout)) {
    const line = JSON.parse(text);
    if (line.runId) acked.set(line.runId, line);
    if (line.ready === undefined && ++seen === acks) child.kill("SIGKILL");
  }
  expect(await exited).toEqual([null, "SIGKILL"]);
  return acked;
}

it("kill -9 at any moment loses no acknowledged append and breaks no chain", async () => {
  const dir = await tempDir("crash");
  for (let round = 0; round < 6; round++) {
    const acked = await appendUntilKilled(dir, 1 + Math.floor(Math.random() * 1500));
    const store = await openSampleStore(dir);
    for (const [runId, { seq, hash }] of acked) {
      const [event] = await store.journal.read(runId, seq - 1, 1);
      expect(event).toMatchObject({ seq, hash });
    }
    expect(await store.verify()).toMatchObject({ ok: true, defects: [] });
    await store.close();
  }
});
