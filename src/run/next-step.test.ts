import { describe, expect, it } from "vitest";
import {
  callFinished,
  callStarted,
  journalOf,
  provisioned,
  replied,
  started,
  submitted,
  wholeTurn,
} from "../../test/support/journal-of.ts";
import { readConfig } from "../base/config.ts";
import type { NewEvent } from "../contract/event.ts";
import { effectiveLimits, nextStep } from "./next-step.ts";
import { foldState } from "./state.ts";

const operator = readConfig({}).runLimits;

function stepAfter(
  events: NewEvent[],
  limits: Partial<typeof operator> = {},
  elapsedMs = 0,
  treeOver?: string,
) {
  const state = foldState("ws", journalOf(events));
  return nextStep(state, { ...operator, ...limits }, elapsedMs, treeOver);
}

const begun = [submitted(), started, provisioned];

describe("nextStep()", () => {
  it("provisions first, then asks the model", () => {
    expect(stepAfter([submitted(), started])).toEqual({ type: "provision" });
    expect(stepAfter(begun)).toEqual({ type: "turn" });
  });

  it("ends a run whose tree may go on no more, whatever was next", () => {
    const end = { status: "terminated", stop_reason: "budget", message: "The time is over" };
    expect(stepAfter(begun, {}, 0, "The time is over")).toEqual({ type: "finish", end });
  });

  it("makes the calls of a turn in order, then takes the next turn", () => {
    const turn = replied(1, [{ callId: "a" }, { callId: "b" }]);
    const first = stepAfter([...begun, turn]);
    expect(first.type === "call" && first.call.request.call_id).toBe("a");
    const second = stepAfter([...begun, turn, ...callStarted("a", 1), callFinished("a")]);
    expect(second.type === "call" && second.call.request.call_id).toBe("b");
    const done = [...callStarted("a", 1), callFinished("a"), ...callStarted("b", 1)];
    expect(stepAfter([...begun, turn, ...done, callFinished("b")])).toEqual({ type: "turn" });
  });

  it("comes back to a call that was started and not finished", () => {
    const step = stepAfter([...begun, replied(1, [{ callId: "a" }]), ...callStarted("a", 1)]);
    expect(step.type === "call" && step.call.started).toBe(true);
  });

  it("ends a run whose reply has no calls by how the reply ended", () => {
    const ends = [
      ["stop", "succeeded", "end_turn"],
      ["refused", "failed", "model_refused"],
      ["length", "failed", "reply_truncated"],
    ] as const;
    for (const [finish_reason, status, stop_reason] of ends) {
      const step = stepAfter([...begun, replied(1, [], { finish_reason })]);
      expect(step).toMatchObject({ type: "finish", end: { status, stop_reason } });
    }
    const silent = replied(1, [], { finish_reason: "other", parts: [] });
    expect(stepAfter([...begun, silent])).toMatchObject({ end: { stop_reason: "model_error" } });
  });

  it("tells a reply that the run's own token limit cut off from one that the model's did", () => {
    const cut = [...begun, replied(1, [], { finish_reason: "length" })];
    expect(stepAfter(cut, { outputTokens: 6 })).toMatchObject({
      end: { status: "failed", stop_reason: "reply_truncated" },
    });
    expect(stepAfter(cut, { outputTokens: 5 })).toMatchObject({
      end: { status: "terminated", stop_reason: "token_limit" },
    });
  });

  it("ends as terminated, each limit with its own stop reason", () => {
    const turn = wholeTurn(1, { command: "a" }, { ok: true });
    const terminated = (stop_reason: string) => ({
      type: "finish",
      end: { status: "terminated", stop_reason },
    });
    expect(stepAfter([...begun, ...turn], { turns: 1 })).toMatchObject(terminated("turn_limit"));
    expect(stepAfter([...begun, ...turn], { outputTokens: 5 })).toMatchObject(
      terminated("token_limit"),
    );
    const more = [...begun, ...turn, replied(2, [{ callId: "x" }])];
    expect(stepAfter(more, { calls: 1 })).toMatchObject(terminated("call_limit"));
    expect(stepAfter(begun, { wallClockSeconds: 1 }, 1000)).toMatchObject(terminated("deadline"));
  });

  it("lets a cancellation win over everything but an end that is under way", () => {
    const cancelled: NewEvent = { type: "run.cancel_requested", data: { requested_by: "tok" } };
    expect(stepAfter([submitted(), cancelled])).toMatchObject({ end: { status: "cancelled" } });
    const finishing: NewEvent = {
      type: "run.finishing",
      data: { status: "succeeded", stop_reason: "end_turn" },
    };
    const late = [...begun, replied(1, []), finishing, cancelled];
    expect(stepAfter(late)).toMatchObject({ end: { status: "succeeded" } });
  });

  it("stops a run that goes round in circles", () => {
    const same = (count: number, result: unknown) =>
      Array.from({ length: count }, (_, i) => wholeTurn(i + 1, { command: "x" }, result)).flat();
    const failing = { ok: false, exit_code: 1 };
    expect(stepAfter([...begun, ...same(2, failing)])).toEqual({ type: "turn" });
    expect(stepAfter([...begun, ...same(3, failing)])).toMatchObject({
      end: { status: "failed", stop_reason: "loop_guard" },
    });
    const answer = (i: number) => ({ ok: true, stdout: "pending", duration_ms: i });
    const polls = (count: number) =>
      Array.from({ length: count }, (_, i) => wholeTurn(i + 1, { command: "x" }, answer(i))).flat();
    expect(stepAfter([...begun, ...polls(4)])).toEqual({ type: "turn" });
    expect(stepAfter([...begun, ...polls(5)])).toMatchObject({
      end: { stop_reason: "loop_guard" },
    });
    const different = Array.from({ length: 12 }, (_, i) =>
      wholeTurn(i + 1, { command: `try ${i}` }, { ok: false, exit_code: i }),
    ).flat();
    expect(stepAfter([...begun, ...different])).toMatchObject({
      end: { stop_reason: "loop_guard" },
    });
    const between = wholeTurn(13, { command: "works" }, { ok: true, exit_code: 0 });
    expect(stepAfter([...begun, ...different, ...between])).toEqual({ type: "turn" });
  });
});

describe("effectiveLimits()", () => {
  it("takes what was asked, else the operator's, and the agent's own when that is less", () => {
    const snapshot = {
      model: "m",
      prompt: ["p"],
      limits: { turns: 3 },
      agent: { instructions: "x", capabilities: [], limits: { max_memory_mb: 64 } },
    };
    const limits = effectiveLimits(snapshot, operator);
    expect(limits.turns).toBe(3);
    expect(limits.calls).toBe(operator.calls);
    expect(limits.memoryBytes).toBe(64 * 1024 * 1024);
  });
});
