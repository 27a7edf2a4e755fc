import { expect, it } from "vitest";
import { limits } from "../base/limits.ts";
import type { NewEvent } from "../contract/event.ts";
import { openSdkCalls, type SdkCallsOptions } from "./sdk-door-calls.ts";

/** The calls of a run that may make all of them, at any rate. */
function openCalls() {
  const events: NewEvent[] = [];
  let time = 0;
  const calls = openSdkCalls({
    workspaceId: "ws",
    owner: "agent",
    // Neither a value that is written nor an event is looked up.
    knowledge: {} as SdkCallsOptions["knowledge"],
    redact: (value) => value,
    power: {
      capabilities: [{ type: "SandboxFunctions", allowed: ["state.", "events."] }],
      grants: [],
    } as unknown as SdkCallsOptions["power"],
    callId: () => "call_1",
    append: async (event) => void events.push(event),
    clock: { monotonic: () => (time += 1_000) },
  });
  return { calls, events };
}

const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));

it("a value that is nested too deeply is refused, and not written where readers choke on it", async () => {
  const { calls, events } = openCalls();
  for (const levels of [limits.requestJsonDepth + 1, 1_000, 5_000, 20_000]) {
    const answer = await calls.answer("memory.write", { key: "k", value: nested(levels) });
    expect(answer, String(levels)).toMatchObject({ error: { data: { error_type: "validation" } } });
  }
  expect(events).toEqual([]);
  const value = nested(limits.requestJsonDepth);
  expect(await calls.answer("memory.write", { key: "k", value })).toHaveProperty("result");
});

it("what a run writes by the SDK is bounded in all", async () => {
  const { calls, events } = openCalls();
  const data = "x".repeat(40_000);
  const most = Math.floor(limits.sdkBytesInAll / data.length);
  let refused: unknown;
  for (let at = 0; at <= most && refused === undefined; at++) {
    const answer = await calls.answer("events.emit", { type: "flood", data });
    if ("error" in answer) refused = answer.error;
  }
  expect(refused).toMatchObject({ data: { error_type: "rate_limit_exceeded" } });
  expect(events.length).toBeGreaterThan(most * 0.9);
  expect(Buffer.byteLength(JSON.stringify(events))).toBeLessThan(limits.sdkBytesInAll * 1.01);
});
