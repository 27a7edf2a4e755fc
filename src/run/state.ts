import { assert } from "../base/assert.ts";
import type { BlobRef, EventData, RequestedCall, RunEvent } from "../contract/event.ts";
import type { RunSnapshot } from "../contract/submission.ts";

export interface CallState {
  turn: number;
  request: RequestedCall;
  decided: boolean;
  started: boolean;
  finished: EventData<"call.finished"> | undefined;
  /** What a person was asked about this call, and what came of it. */
  asked: Asked | undefined;
}

export interface Asked {
  request: EventData<"approval.requested">;
  answer: EventData<"approval.resolved"> | undefined;
  revoked: boolean;
}

export interface TurnState {
  turn: number;
  reply: EventData<"turn.replied">;
  calls: CallState[];
}

/**
 * Everything that the loop knows of a run: a fold of its journal and nothing else (I3). Kill the process anywhere; the
 * same events give the same state, and the loop goes on from there.
 */
export interface RunState {
  runId: string;
  workspaceId: string;
  seq: number;
  snapshot: RunSnapshot;
  secretNames: string[];
  started: boolean;
  provisioned: boolean;
  cancelRequested: boolean;
  stopped: EventData<"run.stopped"> | undefined;
  finishing: EventData<"run.finishing"> | undefined;
  finished: boolean;
  turns: TurnState[];
  callsStarted: number;
  outputTokens: number;
  /** Time spent in turns and calls by earlier events, milliseconds: measured, so a clock that jumps changes nothing. */
  spentMs: number;
  /** The last capture of outputs. */
  captured: EventData<"outputs.captured"> | undefined;
  /** What this run last placed in `/tmp`, by name. */
  placed: Map<string, string>;
  /** The layers that this run captured, by the path from which they are served ever since. */
  layers: Map<string, RunLayer>;
  /** Bytes of every layer that was made for this run, by digest: they stay on disk when the run's directories are gone. */
  layerBytes: Map<string, number>;
}

export type RunLayer = NonNullable<EventData<"call.finished">["layers"]>[number];

/** Folds a whole journal. It starts with `run.submitted`. */
export function foldState(workspaceId: string, events: readonly RunEvent[]): RunState {
  const first = events[0];
  assert(first?.type === "run.submitted", "A journal starts with run.submitted");
  const state: RunState = {
    runId: first.runId,
    workspaceId,
    seq: 0,
    snapshot: first.data.submission,
    secretNames: first.data.secrets,
    started: false,
    provisioned: false,
    cancelRequested: false,
    stopped: undefined,
    finishing: undefined,
    finished: false,
    turns: [],
    callsStarted: 0,
    outputTokens: 0,
    spentMs: 0,
    captured: undefined,
    placed: new Map(),
    layers: new Map(),
    layerBytes: new Map(),
  };
  for (const event of events) applyEvent(state, event);
  return state;
}

/** Moves the state on by one event, in place. */
export function applyEvent(state: RunState, event: RunEvent): void {
  assert(event.seq === state.seq + 1, `Event ${event.seq} follows event ${state.seq}`);
  state.seq = event.seq;
  switch (event.type) {
    case "run.started":
      state.started = true;
      return;
    case "run.provisioned":
      state.provisioned = true;
      return;
    case "turn.replied":
      applyReply(state, event.data);
      return;
    case "call.decided":
      findCall(state, event.data.call_id).decided = true;
      return;
    case "approval.requested":
      findCall(state, event.data.call_id).asked = {
        ...{ request: event.data, answer: undefined, revoked: false },
      };
      return;
    case "approval.resolved":
      answerOf(state, event.data.request_id).answer = event.data;
      return;
    case "approval.revoked":
      answerOf(state, event.data.request_id).revoked = true;
      return;
    case "call.started":
      findCall(state, event.data.call_id).started = true;
      state.callsStarted += 1;
      return;
    case "call.finished":
      findCall(state, event.data.call_id).finished = event.data;
      state.spentMs += event.data.duration_ms;
      for (const { name, sha256 } of event.data.staged ?? []) state.placed.set(name, sha256);
      for (const layer of event.data.layers ?? []) applyLayer(state, layer);
      return;
    case "outputs.captured":
      state.captured = event.data;
      return;
    case "run.stopped":
      state.stopped = event.data;
      return;
    case "run.cancel_requested":
      state.cancelRequested = true;
      return;
    case "run.finishing":
      state.finishing = event.data;
      return;
    case "run.finished":
      state.finished = true;
      return;
  }
}

/** Of two layers that cannot lie side by side the later one counts. */
function applyLayer({ layers, layerBytes }: RunState, layer: RunLayer): void {
  if (!layer.cached) layerBytes.set(layer.digest, layer.size_bytes);
  for (const path of layers.keys()) {
    const isNested = `${path}/`.startsWith(`${layer.path}/`) || layer.path.startsWith(`${path}/`);
    if (isNested) layers.delete(path);
  }
  layers.set(layer.path, layer);
}

function applyReply(state: RunState, reply: EventData<"turn.replied">): void {
  state.outputTokens += reply.usage.output_tokens;
  state.spentMs += reply.duration_ms;
  state.turns.push({
    turn: reply.turn,
    reply,
    calls: reply.calls.map((request) => ({
      turn: reply.turn,
      request,
      decided: false,
      started: false,
      finished: undefined,
      asked: undefined,
    })),
  });
}

function findCall(state: RunState, callId: string): CallState {
  const call = state.turns.at(-1)?.calls.find(({ request }) => request.call_id === callId);
  assert(call !== undefined, `Call ${callId} belongs to the last turn`);
  return call;
}

function answerOf(state: RunState, requestId: string): Asked {
  const asked = findAsked(state, requestId)?.asked;
  assert(asked !== undefined, `Approval ${requestId} was requested by this run`);
  return asked;
}

/** The call that this approval was asked for, of any turn. */
export function findAsked(state: RunState, requestId: string): CallState | undefined {
  for (const { calls } of state.turns.toReversed()) {
    const call = calls.find(({ asked }) => asked?.request.request_id === requestId);
    if (call !== undefined) return call;
  }
  return undefined;
}

/** The text of a reply as far as an event holds it: a long text is a blob, of which only the head is here. */
export function textOf(reply: EventData<"turn.replied">): string {
  const head = (text: string | BlobRef) => (typeof text === "string" ? text : text.head);
  return reply.parts
    .filter((part) => part.type === "text")
    .map((part) => head(part.text))
    .join("");
}
