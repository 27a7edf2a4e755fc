/**
 * The wall clock is for records only: when it jumps a year or stands still, ids keep their order, nothing took less than
 * no time, nothing expires, and no deadline comes early or never.
 *
 * Method: libfaketime stands between the gateway and the wall clock and reads the time from a file; the monotonic clock
 * is left alone, as a real jump leaves it.
 */
import { existsSync, globSync, rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isEvent, type RunRef } from "../src/sdk/sdk.ts";
import { clientOf, defectsOf, historyOf } from "./support/airlock-api.ts";
import { untilEvent } from "./support/results-of.ts";
import { newDataDir, type StartedGateway, startGateway } from "./support/start-gateway.ts";

const library = globSync("/usr/lib{,64}/{,*/}faketime/libfaketimeMT.so.1")[0] ?? "";
const year = 365 * 24 * 3_600_000;
const command = (text: string) => ({
  calls: [{ tool: "sandbox_exec", arguments: { command: text } }],
});
const script = {
  scripts: {
    works: { turns: [command("echo up; sleep 1"), command("true"), { text: "done" }] },
    says: { turns: [{ text: "done" }] },
    hangs: { turns: [command("sleep 600"), { text: "done" }] },
  },
};
const dataDir = newDataDir();
const timeFile = `${dataDir}.time`;
const setClock = (to: string) => writeFileSync(timeFile, `${to}\n`);
const submit = (name: string, more: object = {}) =>
  clientOf(gateway).submitRun({ model: `scripted/${name}`, prompt: "go", ...more });

let gateway: StartedGateway;
beforeAll(async () => {
  expect(existsSync(library), "sh scripts/setup.sh --test brings libfaketime").toBe(true);
  setClock("+0");
  gateway = await startGateway({
    ...{ dataDir, script },
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: timeFile,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      AIRLOCK_CALL_SECONDS: "5",
      AIRLOCK_RUN_WALL_CLOCK_SECONDS: "60",
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(timeFile, { force: true });
});

/** Whole, ended well, and no time in it is before the one ahead of it. */
async function expectSound(run: RunRef): Promise<void> {
  expect(await run.wait({ timeoutMs: 20_000 })).toMatchObject({ status: "succeeded" });
  const events = await historyOf(gateway, run.id);
  expect(defectsOf(run.id, events)).toEqual([]);
  const times = events.map(({ time }) => Date.parse(time));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  for (const event of events) {
    if (isEvent(event, "call.finished") || isEvent(event, "turn.replied")) {
      expect(event.data.duration_ms).toBeGreaterThanOrEqual(0);
      expect(event.data.duration_ms).toBeLessThan(20_000);
    }
  }
}

describe("a wall clock", () => {
  for (const [what, jump, ms] of [
    ["jumps a year ahead", "+365d", year],
    ["jumps a year back", "-365d", -year],
  ] as const) {
    it(`that ${what} in the middle of a run ends nothing and turns no time round`, async () => {
      setClock("+0");
      const before = await submit("says", { idempotencyKey: what });
      const run = await submit("works");
      await untilEvent(run, "call.started");
      setClock(jump);
      const after = await submit("says");
      // Control: the gateway lives in the other year.
      const seen = Date.parse((await after.get()).createdAt);
      expect(Math.abs(seen - Date.now() - ms)).toBeLessThan(60_000);
      await expectSound(run);
      await expectSound(after);
      expect([before.id, run.id, after.id]).toEqual([before.id, run.id, after.id].toSorted());
      const listed = (await clientOf(gateway).listRuns()).runs.map(({ id }) => id);
      expect(listed.slice(0, 3)).toEqual([after.id, run.id, before.id]);
      expect((await submit("says", { idempotencyKey: what })).id).toBe(before.id);
      await clientOf(gateway).gc({ dryRun: false });
      expect(await clientOf(gateway).verify()).toMatchObject({ ok: true, defects: [] });
    });
  }

  it("that stands still stops no deadline, and none comes early", async () => {
    setClock("2027-03-28 01:59:59");
    const begun = performance.now();
    const hanging = await submit("hangs");
    await expectSound(await submit("works"));
    expect(await hanging.wait({ timeoutMs: 20_000 })).toMatchObject({ status: "succeeded" });
    const tookMs = performance.now() - begun;
    expect(tookMs).toBeGreaterThan(4_900);
    const events = await historyOf(gateway, hanging.id);
    expect(JSON.stringify(events)).toMatch(/timeout|timed/i);
    expect(new Set(events.map(({ time }) => time)).size).toBe(1);
  });
});
