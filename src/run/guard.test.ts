import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  callFinished,
  callStarted,
  journalOf,
  provisioned,
  replied,
  started,
  submitted,
} from "../../test/support/journal-of.ts";
import { limits } from "../base/limits.ts";
import { loopGuard } from "./guard.ts";
import { foldState } from "./state.ts";

interface Made {
  args: unknown;
  result: unknown;
}

/** The calls in turns of the given sizes, as a journal folded. */
function stateOf(calls: readonly Made[], perTurn = 1) {
  const events = [submitted(), started, provisioned];
  for (let at = 0, turn = 1; at < calls.length; at += perTurn, turn++) {
    const made = calls.slice(at, at + perTurn);
    const ids = made.map((_, index) => `t${turn}c${index}`);
    events.push(
      replied(
        turn,
        made.map(({ args }, i) => ({ callId: ids[i] ?? "", args })),
      ),
    );
    for (const [index, { result }] of made.entries()) {
      const id = ids[index] ?? "";
      events.push(...callStarted(id, turn), callFinished(id, result));
    }
  }
  return foldState("ws", journalOf(events));
}

const times = <T>(count: number, value: (i: number) => T) =>
  Array.from({ length: count }, (_, i) => value(i));

describe("loopGuard()", () => {
  it("says nothing of a run that has made no call", () => {
    expect(loopGuard(stateOf([]))).toBeUndefined();
  });

  it("takes arguments in another order, and answers that took another time, for the same", () => {
    const failing = times(limits.guardIdenticalFailures, (i) => ({
      args: i % 2 === 0 ? { command: "x", intent: "y" } : { intent: "y", command: "x" },
      result: { ok: false, exit_code: 1, duration_ms: i },
    }));
    expect(loopGuard(stateOf(failing))).toContain(`${limits.guardIdenticalFailures} times`);
  });

  it("lets a poll go on as long as its answer changes", () => {
    const polls = times(50, (i) => ({
      args: { command: "date" },
      result: { ok: true, stdout: `${i}` },
    }));
    expect(loopGuard(stateOf(polls))).toBeUndefined();
  });

  it("tells long answers apart by the blobs that hold them", () => {
    const answer = (digit: string) => ({
      ok: true,
      content: { blob: `sha256:${digit.repeat(64)}`, bytes: 100_000, head: "the same head" },
    });
    const same = times(limits.guardIdenticalPolls, () => ({ args: {}, result: answer("a") }));
    expect(loopGuard(stateOf(same))).toBeDefined();
    const last = { args: {}, result: answer("b") };
    expect(loopGuard(stateOf([...same.slice(1), last]))).toBeUndefined();
  });

  it("judges by the newest calls alone, however they are spread over turns", () => {
    const call = fc.record({ args: fc.nat(1), ok: fc.boolean(), answer: fc.nat(1) });
    fc.assert(
      fc.property(
        fc.array(call, { maxLength: 20 }),
        fc.integer({ min: 1, max: 4 }),
        (calls, perTurn) => {
          const made = calls.map(({ args, ok, answer }) => ({ args, result: { ok, answer } }));
          const said = loopGuard(stateOf(made, perTurn));
          const newest = calls.at(-1);
          const backwards = [...calls].reverse();
          const run = (holds: (one: (typeof calls)[number]) => boolean) => {
            const end = backwards.findIndex((one) => !holds(one));
            return end === -1 ? backwards.length : end;
          };
          const identical = run((one) => JSON.stringify(one) === JSON.stringify(newest));
          const expected = newest?.ok
            ? identical >= limits.guardIdenticalPolls
            : identical >= limits.guardIdenticalFailures ||
              run(({ ok }) => !ok) >= limits.guardFailures;
          expect(said !== undefined).toBe(newest !== undefined && expected);
        },
      ),
    );
  });
});
