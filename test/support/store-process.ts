/**
 * A process that has a data directory open, for tests that kill it: `<mode> <dir>`. It prints a line when it is ready
 * and one for every append that was acknowledged, so whoever reads knows what must be there afterwards.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { newId } from "../../src/contract/ids.ts";
import { openStore, type Store } from "../../src/store/store.ts";

const [mode, dir = ""] = process.argv.slice(2);
let broken = 0;

try {
  const store = await openStore({
    dir,
    clock: systemClock,
    log: openLog("silent"),
    onBroken: () => {
      broken++;
    },
  });
  say({ ready: process.pid });
  if (mode === "hold") setInterval(() => {}, 1000);
  else await Promise.all(Array.from({ length: 5 }, () => appendUntilRefused(store)));
} catch (error) {
  say({ error: String(error), broken });
}

function say(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function appendUntilRefused(store: Store): Promise<void> {
  const runId = newId("run");
  await store.journal.submit({
    runId,
    workspaceId: newId("workspace"),
    idempotencyKey: null,
    bodyHash: `sha256:${"0".repeat(64)}`,
    snapshot: { model: "scripted/demo", prompt: ["Work"] },
    secrets: [],
    submittedBy: newId("token"),
  });
  await store.journal.claim(runId, store.epoch);
  for (let seq = 1; ; ) {
    const call = { call_id: "call_1", tool: "sandbox_exec", turn: seq };
    const appended = await store.journal.append(runId, { epoch: store.epoch, seq }, [
      { type: "call.started", data: call },
    ]);
    if (appended.type !== "appended") throw new Error(appended.type);
    seq += 1;
    say({ runId, seq, hash: appended.events[0]?.hash });
  }
}
