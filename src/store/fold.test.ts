import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  appendNext,
  callFinished,
  claimedRun,
  digestOf,
  openSampleStore,
  replied,
} from "../../test/support/sample-store.ts";
import { tempDir } from "../../test/support/temp-dir.ts";
import type { BlobRef, NewEvent, RequestedCall, RunEvent } from "../contract/event.ts";
import { fold, type RunState } from "./fold.ts";
import { columnsOf, stateOf } from "./run-row.ts";

const isolation = { grade: "A", limits: "cgroup2", ownUid: true, sandbox: "bubblewrap" } as const;
const text = fc.string({ unit: "binary", maxLength: 40 });
const count = fc.nat({ max: 1_000_000 });

const textOrBlob: fc.Arbitrary<string | BlobRef> = fc.oneof(
  text,
  fc.record({ blob: text.map(digestOf), bytes: count, head: text }),
);

const whileWorking: fc.Arbitrary<NewEvent> = fc.oneof(
  fc.record({ type: fc.constant("run.started" as const), data: fc.record({ epoch: count }) }),
  fc.record({ type: fc.constant("run.resumed" as const), data: fc.record({ epoch: count }) }),
  fc.constant<NewEvent>({ type: "run.provisioned", data: { isolation } }),
  fc.record({
    type: fc.constant("turn.replied" as const),
    data: fc.record({
      turn: count,
      attempt: count,
      model: text,
      parts: fc.array(
        fc.record({
          type: fc.constantFrom("text" as const, "reasoning" as const),
          text: textOrBlob,
        }),
        { maxLength: 3 },
      ),
      calls: fc.constant<RequestedCall[]>([]),
      finish_reason: fc.constantFrom("stop" as const, "calls" as const),
      usage: fc.record({
        input_tokens: count,
        output_tokens: count,
        cache_read_tokens: count,
        cache_write_tokens: count,
      }),
      cost_usd: fc.option(fc.constantFrom(0, 0.1, 0.2, 1e-9, 12.345678901), { freq: 20 }),
      duration_ms: count,
    }),
  }),
  fc.record({
    type: fc.constant("call.started" as const),
    data: fc.record({ call_id: text, tool: text, turn: count }),
  }),
  fc
    .array(fc.record({ name: text, visibility: fc.constantFrom("private", "session"), of: text }))
    .map((written) =>
      callFinished({
        content: written.map(({ name, visibility, of }) => ({
          name,
          visibility,
          sha256: digestOf(of),
          bytes: of.length,
        })),
      }),
    ),
  fc.uniqueArray(text, { maxLength: 60 }).map(
    (names): NewEvent => ({
      type: "outputs.captured",
      data: {
        partial: true,
        outputs: names.map((name, index) => ({
          id: `out_${index}`,
          path: `/out/${name}`,
          name,
          sha256: digestOf(name),
          bytes: name.length,
          contentType: "text/plain",
        })),
        missing: [],
      },
    }),
  ),
  fc.constant<NewEvent>({ type: "run.cancel_requested", data: { requested_by: "tok_1" } }),
);

const ending: fc.Arbitrary<NewEvent[]> = fc
  .record({
    status: fc.constantFrom("succeeded" as const, "failed" as const, "cancelled" as const),
    message: fc.option(text, { nil: undefined }),
    cleanup: fc.constantFrom("succeeded" as const, "failed_retryable" as const),
    finishing: fc.boolean(),
    cleaned: fc.boolean(),
  })
  .map(({ status, message, cleanup, finishing, cleaned }) => {
    const why = { status, stop_reason: "internal" as const, ...(message ? { message } : {}) };
    const events: NewEvent[] = [
      { type: "run.finished", data: { ...why, cleanup_status: cleanup } },
    ];
    if (finishing) events.unshift({ type: "run.finishing", data: why });
    if (cleaned) events.push({ type: "run.cleaned", data: { cleanup_status: "succeeded" } });
    return events;
  });

const journals = fc
  .tuple(
    fc.array(fc.array(whileWorking, { minLength: 1, maxLength: 4 }), { maxLength: 8 }),
    fc.option(ending),
  )
  .map(([batches, end]) => (end ? [...batches, end] : batches));

describe("the fold", () => {
  it("gives for every journal what the row caches, and verify agrees", async () => {
    const store = await openSampleStore(await tempDir("fold"));
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(journals, async (batches) => {
        const run = await claimedRun(store);
        for (const batch of batches) await appendNext(store, run, batch);
        const events = await store.journal.read(run.runId, 0, 1000);
        expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
        const state = events.reduce<RunState | undefined>(fold, undefined);
        const row = await store.runs.get(run.workspaceId, run.runId);
        expect(row).toMatchObject({
          status: state?.status,
          usage: state?.usage,
          costUsd: state?.costNanoUsd === null ? null : (state?.costNanoUsd ?? 0) / 1e9,
          turns: state?.turns,
          calls: state?.calls,
          lastSeq: events.at(-1)?.seq,
          head: events.at(-1)?.hash,
          message: state?.message,
          isolation: state?.isolation,
          startedAt: state?.startedAt,
          finishedAt: state?.finishedAt,
          updatedAt: events.at(-1)?.time,
          cleanup_status: state?.cleanupStatus,
        });
        runs++;
      }),
      { numRuns: 80 },
    );
    const report = await store.verify();
    expect(report).toMatchObject({ ok: true, defects: [], runs });
  });

  it("loses nothing on the way into the row and back", () => {
    fc.assert(
      fc.property(journals, (batches) => {
        const events = [submitted, ...batches.flat()].map(stored);
        const state = events.reduce<RunState | undefined>(fold, undefined);
        expect(state && stateOf(columnsOf(state))).toEqual(state);
      }),
    );
  });

  it("follows a run through its statuses", () => {
    const steps: [NewEvent, Partial<RunState>][] = [
      [submitted, { status: "queued", cleanupStatus: "not_started", startedAt: null }],
      [{ type: "run.started", data: { epoch: 1 } }, { status: "provisioning" }],
      [
        { type: "run.provisioned", data: { isolation } },
        { status: "running", isolation },
      ],
      [replied("First"), { turns: 1, lastText: "First" }],
      [{ type: "call.started", data: { call_id: "c", tool: "t", turn: 1 } }, { calls: 1 }],
      [callFinished(), { calls: 1, status: "running" }],
      [replied(""), { turns: 2, lastText: "First" }],
      [{ type: "run.resumed", data: { epoch: 2 } }, { status: "running" }],
      [
        { type: "run.finishing", data: { status: "failed", stop_reason: "deadline" } },
        { status: "cleaning_up", cleanupStatus: "pending", stopReason: null },
      ],
      [{ type: "run.provisioned", data: { isolation } }, { status: "cleaning_up" }],
      [
        {
          type: "run.finished",
          data: {
            status: "terminated",
            stop_reason: "deadline",
            message: "It took too long",
            cleanup_status: "failed_retryable",
          },
        },
        {
          status: "terminated",
          stopReason: "deadline",
          message: "It took too long",
          cleanupStatus: "failed_retryable",
        },
      ],
      [
        { type: "run.cleaned", data: { cleanup_status: "succeeded" } },
        { status: "terminated", cleanupStatus: "succeeded" },
      ],
    ];
    let state: RunState | undefined;
    for (const [index, [event, expected]] of steps.entries()) {
      state = fold(state, stored(event, index));
      expect(state).toMatchObject(expected);
    }
    expect(state).toMatchObject({ startedAt: timeOf(2), finishedAt: timeOf(11) });
  });

  it("adds up what turns cost to the billionth, and says nothing when one of them is not known", () => {
    const costOf = (costs: (number | null | undefined)[]) => {
      const turns = costs.map((usd): NewEvent => {
        const turn = replied("Said") as Extract<NewEvent, { type: "turn.replied" }>;
        return usd === undefined ? turn : { ...turn, data: { ...turn.data, cost_usd: usd } };
      });
      const events = [submitted, ...turns].map((event, index) => stored(event, index));
      return events.reduce<RunState | undefined>(fold, undefined)?.costNanoUsd;
    };
    expect(costOf([])).toBe(0);
    expect(costOf([0.1, 0.2])).toBe(300_000_000);
    expect(costOf(Array.from({ length: 1000 }, () => 0.000000001))).toBe(1000);
    expect(costOf([0.1, null, 0.2])).toBeNull();
    expect(costOf([0.1, undefined, 0.2])).toBeNull();
  });
});

const submitted: NewEvent = {
  type: "run.submitted",
  data: {
    submission: { model: "scripted/demo", prompt: ["Work"] },
    body_hash: digestOf("body"),
    idempotency_key: null,
    secrets: [],
    submitted_by: "tok_1",
  },
};

const timeOf = (seq: number) => new Date(seq * 1000).toISOString();

function stored(event: NewEvent, index: number): RunEvent {
  const seq = index + 1;
  return { ...event, runId: "run_1", seq, time: timeOf(seq), hash: `hash ${seq}` } as RunEvent;
}
