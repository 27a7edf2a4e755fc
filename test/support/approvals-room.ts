import { onTestFinished } from "vitest";
import { openApprovals } from "../../src/approvals/approvals.ts";
import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { openThreads } from "../../src/base/threads.ts";
import { openBlobs, sweepBlobs } from "../../src/content/content.ts";
import type { Approval } from "../../src/contract/approval.ts";
import { newId } from "../../src/contract/ids.ts";
import { openTimedStore, testClock } from "./sample-approvals.ts";
import { tempDir } from "./temp-dir.ts";

/** Sleeps that a test ends, by setting the clock. */
export function openSleeps() {
  const sleeps: { ms: number; end: () => void }[] = [];
  let noticed = () => {};
  return {
    sleep(ms: number, signal?: AbortSignal): Promise<void> {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
        sleeps.push({ ms, end: resolve });
        noticed();
      });
    },
    /** The next sleep that somebody falls into. */
    async next(): Promise<{ ms: number; end: () => void }> {
      for (;;) {
        const sleep = sleeps.shift();
        if (sleep) return sleep;
        await new Promise<void>((resolve) => {
          noticed = resolve;
        });
      }
    },
  };
}

/** The room on a store of its own, with a clock that the test sets. */
export async function openRoom(contents: Record<string, Uint8Array> = {}) {
  const dir = await tempDir("approvals");
  const clock = testClock();
  const store = await openTimedStore(dir, clock);
  const log = openLog("silent");
  const threads = openThreads({ log });
  onTestFinished(() => threads.close());
  const blobs = await openBlobs({ dir, clock: systemClock, log, threads });
  const sleeps = openSleeps();
  const resumed: string[] = [];
  const revoked: Approval[] = [];
  let onResumed = () => {};
  const room = openApprovals({
    rows: store.approvals,
    readContent: async (sha256, maxBytes) => {
      const bytes = contents[sha256] ?? (await blobs.get(sha256).catch(() => undefined));
      return bytes && bytes.length <= maxBytes ? bytes : undefined;
    },
    ...{ clock: sleeps, log },
    onResumed: (runs) => {
      resumed.push(...runs.map(({ runId }) => runId));
      onResumed();
    },
    onRevoked: (approval) => revoked.push(approval),
  });
  onTestFinished(() => room.close());
  return {
    ...{ dir, blobs, clock, store, room, sleeps, resumed, revoked },
    workspaceId: newId("workspace"),
    /** Removes the blobs that no run refers to any more. */
    sweep: () =>
      sweepBlobs({
        ...{ dir, blobs, dryRun: false, sparesMs: 0, clock: systemClock },
        isReferenced: (sha256) => store.files.isReferenced(sha256),
      }),
    /** Waits until so many runs go on. */
    async resumedRuns(count: number): Promise<string[]> {
      while (resumed.length < count) {
        await new Promise<void>((resolve) => {
          onResumed = resolve;
        });
      }
      return resumed;
    },
  };
}
