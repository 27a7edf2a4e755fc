import { createHash } from "node:crypto";
import { onTestFinished } from "vitest";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import type { NewEvent } from "../../src/contract/event.ts";
import { newId } from "../../src/contract/ids.ts";
import { type NewRun, openStore, type Store } from "../../src/store/store.ts";

/** A store that is closed when the test is over. What the disk broke is thrown away: ask for `onBroken` to see it. */
export async function openSampleStore(
  dir: string,
  onBroken: (error: unknown) => void = () => {},
  clock: Clock = systemClock,
): Promise<Store> {
  const store = await openStore({ dir, clock, log: openLog("silent"), onBroken });
  let open = true;
  const close = store.close;
  store.close = async () => {
    if (open) await close();
    open = false;
  };
  onTestFinished(() => store.close());
  return store;
}

export function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** A submission like many; `over` replaces what a test is about. */
export function sampleRun(over: Partial<NewRun> = {}): NewRun {
  return {
    runId: newId("run"),
    workspaceId: newId("workspace"),
    idempotencyKey: null,
    bodyHash: digestOf("body"),
    snapshot: { model: "scripted/demo", prompt: ["Count the words"], metadata: { team: "a" } },
    secrets: [],
    submittedBy: newId("token"),
    ...over,
  };
}

/** A run that is submitted and claimed: ready for its worker's first append after event 1. */
export async function claimedRun(store: Store, over: Partial<NewRun> = {}): Promise<NewRun> {
  const run = sampleRun(over);
  await store.journal.submit(run);
  await store.journal.claim(run.runId, store.epoch);
  return run;
}

/** Appends as the run's worker, after whatever its newest event is. */
export async function appendNext(store: Store, run: NewRun, events: NewEvent[]): Promise<void> {
  const seq = (await store.runs.get(run.workspaceId, run.runId))?.lastSeq ?? 0;
  const fence = { epoch: store.epoch, seq };
  const appended = await store.journal.append(run.runId, fence, events);
  if (appended.type !== "appended") throw new Error(`Cannot append: ${appended.type}`);
}

export const startedEvents: NewEvent[] = [
  { type: "run.started", data: { epoch: 1 } },
  {
    type: "run.provisioned",
    data: {
      isolation: { grade: "B", limits: "watchdog", ownUid: false, sandbox: "bubblewrap 0.8.0" },
    },
  },
];

export function replied(text: string): NewEvent {
  return {
    type: "turn.replied",
    data: {
      turn: 1,
      attempt: 1,
      model: "scripted/demo",
      parts: [{ type: "text", text }],
      calls: [],
      finish_reason: "stop",
      usage: { input_tokens: 10, output_tokens: 5, cache_read_tokens: 2, cache_write_tokens: 1 },
      duration_ms: 12,
    },
  };
}

export function callFinished(over: object = {}): NewEvent {
  return {
    type: "call.finished",
    data: {
      call_id: "call_1",
      tool: "sandbox_exec",
      outcome: "returned",
      result: { stdout: "done" },
      duration_ms: 3,
      ...over,
    },
  };
}

export function finishedEvents(
  cleanup: "succeeded" | "failed_retryable" | "skipped" = "succeeded",
): NewEvent[] {
  return [
    { type: "run.finishing", data: { status: "succeeded", stop_reason: "end_turn" } },
    {
      type: "run.finished",
      data: { status: "succeeded", stop_reason: "end_turn", cleanup_status: cleanup },
    },
  ];
}
