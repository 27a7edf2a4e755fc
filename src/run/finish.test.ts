import { describe, expect, it } from "vitest";
import {
  appendNext,
  claimedRun,
  openSampleStore,
  startedEvents,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import type { NewEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import { openDiskSpace } from "./disk-space.ts";
import type { Drive } from "./drive.ts";
import { finish } from "./finish.ts";
import { openLedger } from "./ledger.ts";
import { nextStep } from "./next-step.ts";

const limits = {
  ...{ wallClockSeconds: 60, turns: 10, calls: 10, outputTokens: 1_000 },
  ...{ diskBytes: 1 << 20, memoryBytes: 1 << 28, callSeconds: 60, processes: 64 },
};

const lastWord: NewEvent = {
  type: "turn.replied",
  data: {
    ...{ turn: 1, attempt: 1, model: "scripted/demo", parts: [{ type: "text", text: "Done." }] },
    ...{ calls: [], finish_reason: "stop", duration_ms: 1, read_seq: 3 },
    usage: { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 },
  },
};

describe("the end of a run", () => {
  it("is not written down when something was said to it in the last moment: it has another turn", async () => {
    const store = await openSampleStore(await tempDir("finish"));
    const run = await claimedRun(store);
    const { runId, workspaceId } = run;
    await appendNext(store, run, [...startedEvents, lastWord]);
    const log = openLog("silent");
    const stopping = new AbortController().signal;
    const patiently = openDiskSpace({ runId, clock: systemClock, log, stopping });
    const { journal, epoch } = store;
    const ledger = await openLedger({ journal, runId, workspaceId, epoch, patiently });
    const step = nextStep(ledger.state, limits, 0, undefined);
    expect(step).toMatchObject({ type: "finish", end: { stop_reason: "end_turn" } });
    // The worker has decided to end it, and does not know of this yet.
    const from = { runId, callId: newId("call"), agent: "planner.default" };
    const to = [runId];
    await store.messages.send({ workspaceId, rootRunId: runId, from, to, text: "One more thing" });
    const drive = { ledger, limits, elapsedMs: () => 0, budget: undefined };
    // Nothing else of a drive is touched by an end that is not one.
    await finish(drive as unknown as Drive, { status: "succeeded", stop_reason: "end_turn" });
    const types = (await journal.read(runId, 0, 100)).map(({ type }) => type);
    expect(types.at(-1)).toBe("message.received");
    expect(nextStep(ledger.state, limits, 0, undefined)).toEqual({ type: "turn" });
  });
});
