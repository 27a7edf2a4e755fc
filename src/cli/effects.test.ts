/** What a run does through its endpoints, as a person reads it who follows the run. */
import picocolors from "picocolors";
import { describe, expect, it } from "vitest";
import type { EventData, RunEvent } from "../contract/event.ts";
import { newId } from "../contract/ids.ts";
import { effectLines } from "./effects.ts";

const color = picocolors.createColors(false);

function event(type: RunEvent["type"], data: object): RunEvent {
  const head = { runId: newId("run"), seq: 9, time: "2030-01-01T00:00:00.000Z", hash: "h" };
  return { ...head, type, data } as RunEvent;
}

const called: EventData<"proxy.called"> = {
  ...{ id: newId("proxyCall"), call_id: null, endpoint: "stripe", door: "http", method: "GET" },
  ...{ path: "/v1/charges", request_bytes: 0, status: 200, response_bytes: 512, outcome: "ok" },
  ...{ error: null, mode_clamped: false, truncated: false, redacted: true, address: null },
  ...{ started_at: "2030-01-01T00:00:00.000Z", duration_ms: 31 },
};

describe("a run that is followed", () => {
  it("tells each call of an endpoint, and that a secret was cut out of its answer", () => {
    expect(effectLines(event("proxy.called", called), color)).toEqual([
      "  ⇄ stripe  GET /v1/charges  ✓ 200 [a secret cut out]  512 B, 31 ms",
    ]);
    const failed = {
      ...{ ...called, outcome: "failed", status: null, error: "upstream_timeout" },
      ...{ redacted: false, path: "/\x1b[2J" },
    };
    expect(effectLines(event("proxy.called", failed), color)).toEqual([
      "  ⇄ stripe  GET /\\x1b[2J  ✗ failed (upstream_timeout)  512 B, 31 ms",
    ]);
  });

  it("tells loudly that its canary appeared", () => {
    const seen = event("secret.seen", { call_id: null, surface: "call.output\x07" });
    expect(effectLines(seen, color)).toEqual([
      "! the run's canary appeared in call.output\\x07: something reads credentials",
    ]);
  });
});
