import { describe, expect, it, onTestFinished } from "vitest";
import { openSleeps } from "../../test/support/approvals-room.ts";
import {
  approval,
  askingRun,
  day,
  noon,
  openTimedStore,
  testClock,
} from "../../test/support/sample-approvals.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { openLog } from "../base/log.ts";
import { watchExpiry } from "../base/watch-expiry.ts";
import { newId } from "../contract/ids.ts";
import type { ApprovalRows } from "../store/store.ts";

/** A watch over a real store; `over` is what the disk does to it. */
async function openWatch(over: (rows: ApprovalRows) => Partial<ApprovalRows> = () => ({})) {
  const clock = testClock();
  const store = await openTimedStore(await tempDir("watch"), clock);
  const workspaceId = newId("workspace");
  const sleeps = openSleeps();
  const resumed: string[] = [];
  const start = () => {
    const watch = watchExpiry({
      rows: { ...store.approvals, ...over(store.approvals) },
      ...{ clock: sleeps, log: openLog("silent") },
      onExpired: (runs) => {
        resumed.push(...runs.map(({ runId }) => runId));
      },
    });
    onTestFinished(() => watch.close());
    return watch;
  };
  const due = { expires_at: new Date(noon + 60_000).toISOString() };
  return { clock, store, workspaceId, sleeps, resumed, start, due };
}

describe("the watch", () => {
  it("sleeps a day at most, and no less than a second, so that it neither misses a jump nor spins", async () => {
    const { clock, store, workspaceId, sleeps, start } = await openWatch();
    const far = { expires_at: new Date(noon + 20 * day).toISOString() };
    await askingRun(store, workspaceId, far);
    const watch = start();
    expect((await sleeps.next()).ms).toBe(day);
    clock.time = noon + 20 * day - 1;
    watch.wake();
    expect((await sleeps.next()).ms).toBe(1_000);
  });

  it("wakes when an approval runs out, and remembers it over a restart", async () => {
    const { clock, store, workspaceId, sleeps, start } = await openWatch();
    const { request } = await askingRun(store, workspaceId);
    const scopeExpiresAt = new Date(noon + 5_000).toISOString();
    const standing = approval({ scope: "agent_revision", scopeExpiresAt });
    await store.approvals.answer(workspaceId, request.request_id, standing);
    start();
    const sleep = await sleeps.next();
    expect(sleep.ms).toBe(5_000);
    clock.time = noon + 5_000;
    sleep.end();
    // It has nothing else to wait for: what ran out is written down.
    expect((await sleeps.next()).ms).toBe(day);
    expect(await store.approvals.nextExpiry()).toBeUndefined();
  });

  it("tries again after a second when the disk fails, and then lets run out what is due", async () => {
    let failures = 2;
    const { clock, store, workspaceId, sleeps, resumed, start, due } = await openWatch((rows) => ({
      async expire() {
        if (failures-- > 0) throw new Error("disk I/O error");
        return rows.expire();
      },
    }));
    const { run, request } = await askingRun(store, workspaceId, due);
    start();
    const first = await sleeps.next();
    clock.time = noon + 60_000;
    first.end();
    // Twice: the pause after the failure, and the second until it looks again.
    for (let n = 0; n < 4; n++) {
      const sleep = await sleeps.next();
      expect(sleep.ms).toBe(1_000);
      sleep.end();
    }
    expect((await sleeps.next()).ms).toBe(day);
    expect(resumed).toEqual([run.runId]);
    expect(await store.approvals.get(workspaceId, request.request_id)).toMatchObject({
      status: "expired",
    });
  });

  it("ends when it is closed, and lets nothing run out after that", async () => {
    const { clock, store, workspaceId, sleeps, resumed, start, due } = await openWatch();
    const { request } = await askingRun(store, workspaceId, due);
    const watch = start();
    const sleep = await sleeps.next();
    clock.time = noon + 60_000;
    await watch.close();
    sleep.end();
    watch.wake();
    expect(resumed).toEqual([]);
    expect(await store.approvals.get(workspaceId, request.request_id)).toMatchObject({
      status: "pending",
    });
  });
});
