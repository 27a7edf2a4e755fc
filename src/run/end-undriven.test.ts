import { describe, expect, it } from "vitest";
import { openSampleStore, sampleRun } from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import type { NewEvent } from "../contract/event.ts";
import { openDiskSpace } from "./disk-space.ts";
import { endUndriven } from "./end-undriven.ts";
import { openLedger } from "./ledger.ts";

/** A run that an earlier gateway left after these events, and that cannot be driven. */
async function left(...events: NewEvent[]) {
  const store = await openSampleStore(await tempDir("undriven"));
  const prompt = ["Count the words"];
  const snapshot = { model: "scripted/demo", prompt, outputDirs: ["/workspace/out"] };
  const { runId, workspaceId } = sampleRun();
  await store.journal.submit(sampleRun({ runId, workspaceId, snapshot }));
  const lease = await store.journal.claim(runId, store.epoch);
  if (lease === undefined) throw new Error("The run is not there");
  const log = openLog("silent");
  const patiently = openDiskSpace({
    ...{ runId, clock: systemClock, log },
    stopping: new AbortController().signal,
  });
  const { journal, epoch } = store;
  const ledger = await openLedger({ journal, runId, workspaceId, epoch, patiently });
  await ledger.append({ type: "run.started", data: { epoch } }, ...events);
  const done: string[] = [];
  const end = () =>
    endUndriven({
      ...{ ledger, lease, store, log, vault: {} as never },
      sandbox: { remove: async () => done.push("removed") > 0 } as never,
      endTasks: async () => void done.push("tasks"),
    });
  return { store, runId, workspaceId, done, end };
}

describe("a run that cannot be driven", () => {
  it("ends as internal, with its tasks and directories gone, and verify has nothing against it", async () => {
    const { store, runId, workspaceId, done, end } = await left();
    await end();
    expect(await store.runs.get(workspaceId, runId)).toMatchObject({
      ...{ status: "failed", stop_reason: "internal", cleanup_status: "succeeded" },
    });
    const captured = await store.journal.latest(runId, "outputs.captured");
    expect(captured?.data).toEqual({
      ...{ partial: false, outputs: [] },
      missing: [{ path: "/workspace/out", reason: "unreadable" }],
    });
    expect(done).toEqual(["tasks", "removed"]);
    expect((await store.verify()).defects).toEqual([]);
  });

  it("ends as it was about to when its end had begun", async () => {
    const { store, runId, workspaceId, end } = await left({
      type: "run.finishing",
      data: { status: "succeeded", stop_reason: "end_turn" },
    });
    await end();
    expect(await store.runs.get(workspaceId, runId)).toMatchObject({ status: "succeeded" });
  });
});
