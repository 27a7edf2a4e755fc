/**
 * A process that has a data directory open, for tests that kill it: `<mode> <dir>`, and `proxy <dir> <run> <workspace>
 * <budget> [held]`. It prints a line when it is ready and one for every append that was acknowledged, so whoever reads
 * knows what must be there afterwards. `held`: one call stays reserved and one dialled until the process is killed.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { newId } from "../../src/contract/ids.ts";
import { openStore, type Store } from "../../src/store/store.ts";
import { proxyCalled } from "./proxy-called.ts";

const [mode, dir = "", runId = "", workspaceId = "", budget = "", held] = process.argv.slice(2);
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
  else if (mode === "proxy") await callUntilRefused(store);
  else await Promise.all(Array.from({ length: 5 }, () => appendUntilRefused(store)));
} catch (error) {
  say({ error: String(error), broken });
}

/** Settles what an earlier process left, then spends the budget of an endpoint; `dialled` is said where one would dial. */
async function callUntilRefused(store: Store): Promise<void> {
  for (const { id, sent } of await store.proxy.unsettled(runId)) {
    if (sent) await settle(store, id, "interrupted");
    else await store.proxy.release(id);
  }
  await Promise.all(Array.from({ length: 5 }, (_, worker) => spend(store, worker)));
  await store.close();
  say({ done: true });
}

/** Each begins somewhere else, so that all steps are under way at once. */
async function spend(store: Store, worker: number): Promise<void> {
  const wanted = { runId, workspaceId, endpoint: "api", calls: Number(budget) };
  const isHeld = (at: number) => held === "held" && worker === at;
  for (let round = worker; ; round++) {
    const id = newId("proxyCall");
    const reserved = await store.proxy.reserve({ ...wanted, id });
    say({ reserved: id, ok: reserved.ok });
    if (!reserved.ok) return;
    if (isHeld(0)) return untilKilled({ held: "reserved" });
    if (round % 3 === 0) {
      await store.proxy.release(id);
      continue;
    }
    await store.proxy.sent(id);
    say({ dialled: id });
    if (isHeld(1)) return untilKilled({ held: "dialled" });
    await settle(store, id, "ok");
  }
}

function untilKilled(line: object): Promise<never> {
  say(line);
  return new Promise(() => setInterval(() => {}, 1000));
}

async function settle(store: Store, id: string, outcome: "ok" | "interrupted"): Promise<void> {
  const event = proxyCalled({ id, outcome, response_bytes: 1 });
  await store.journal.appendFromOutside(workspaceId, runId, () => event);
  say({ settled: id });
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
