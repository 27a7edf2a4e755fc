import type { EventData, NewEvent, RunEvent } from "../../src/contract/event.ts";
import { newId } from "../../src/contract/ids.ts";
import type { RunSnapshot } from "../../src/contract/submission.ts";

/** Numbers events as a journal does, so that a test can fold them without a store. */
export function journalOf(events: readonly NewEvent[]): RunEvent[] {
  const runId = newId("run");
  return events.map((event, index) => ({
    ...event,
    runId,
    seq: index + 1,
    time: new Date(1_800_000_000_000 + index).toISOString(),
    hash: "0".repeat(64),
  }));
}

export function submitted(snapshot: Partial<RunSnapshot> = {}): NewEvent {
  return {
    type: "run.submitted",
    data: {
      submission: { model: "scripted/test", prompt: ["do it"], ...snapshot },
      body_hash: `sha256:${"0".repeat(64)}`,
      idempotency_key: null,
      secrets: [],
      submitted_by: newId("token"),
    },
  };
}

export const started: NewEvent = { type: "run.started", data: { epoch: 1 } };

export const provisioned: NewEvent = {
  type: "run.provisioned",
  data: { isolation: { grade: "A", limits: "cgroup1", ownUid: true, sandbox: "bubblewrap 0.8.0" } },
};

export interface ScriptedCall {
  callId: string;
  tool?: string;
  args?: unknown;
}

export function replied(
  turn: number,
  calls: readonly ScriptedCall[],
  more: Partial<EventData<"turn.replied">> = {},
): NewEvent {
  return {
    type: "turn.replied",
    data: {
      turn,
      attempt: 1,
      model: "scripted/test",
      parts: [{ type: "text", text: `turn ${turn}` }],
      calls: calls.map(({ callId, tool = "sandbox_exec", args = { command: "true" } }) => ({
        call_id: callId,
        tool_call_id: `model-${callId}`,
        tool,
        arguments: args,
      })),
      finish_reason: calls.length > 0 ? "calls" : "stop",
      usage: { input_tokens: 10, output_tokens: 5, cache_read_tokens: 0, cache_write_tokens: 0 },
      duration_ms: 100,
      ...more,
    },
  };
}

export function callStarted(callId: string, turn: number, tool = "sandbox_exec"): NewEvent[] {
  return [
    {
      type: "call.decided",
      data: { call_id: callId, tool, decision: "allow", rule: "CodeExecution *" },
    },
    { type: "call.started", data: { call_id: callId, tool, turn } },
  ];
}

export function callFinished(
  callId: string,
  result: unknown = { ok: true, exit_code: 0 },
  more: Partial<EventData<"call.finished">> = {},
): NewEvent {
  return {
    type: "call.finished",
    data: {
      call_id: callId,
      tool: "sandbox_exec",
      outcome: "returned",
      result,
      duration_ms: 50,
      ...more,
    },
  };
}

/** One turn with one call, whole. */
export function wholeTurn(turn: number, args: unknown, result: unknown): NewEvent[] {
  const callId = `call-${turn}`;
  return [
    replied(turn, [{ callId, args }]),
    ...callStarted(callId, turn),
    callFinished(callId, result),
  ];
}
