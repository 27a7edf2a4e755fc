import { assert } from "../base/assert.ts";
import type { BlobRef, EventData, RequestedCall, RunEvent, RunParent } from "../contract/event.ts";
import type { McpListed } from "../contract/mcp-server.ts";
import type { RunSnapshot } from "../contract/submission.ts";
import type { SpawnedTask, WaitResolved, WaitStarted } from "../contract/workflow.ts";

export interface CallState {
  turn: number;
  request: RequestedCall;
  decided: boolean;
  started: boolean;
  finished: EventData<"call.finished"> | undefined;
  /** What a person was asked about this call, and what came of it. */
  asked: Asked | undefined;
  /** What it waited for, and what ended that. */
  waited: Waited | undefined;
}

export interface Waited {
  started: WaitStarted;
  resolved: WaitResolved | undefined;
}

/** Something that the model is told before its next turn. */
export interface Note {
  seq: number;
  text: string | BlobRef;
}

/**
 * A task of this run, whether the model was told of its end, and whether its group was joined while it was in it: what is
 * started in a group after its join is waited for anew.
 */
export type Task = SpawnedTask & { seen: boolean; joined: boolean };

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
  /** The first run of its tree: what content, artifacts and approvals are shared by. */
  rootRunId: string;
  workspaceId: string;
  /** The call that started it; undefined: it is a root. */
  parent: RunParent | undefined;
  seq: number;
  snapshot: RunSnapshot;
  secretNames: string[];
  resumed: boolean;
  provisioned: boolean;
  /** The packages of its submission are there. */
  prepared: boolean;
  cancelRequested: EventData<"run.cancel_requested"> | undefined;
  stopped: EventData<"run.stopped"> | undefined;
  /** The canary appeared: the run ends. */
  secretSeen: EventData<"secret.seen"> | undefined;
  finishing: EventData<"run.finishing"> | undefined;
  finished: boolean;
  turns: TurnState[];
  /** What each MCP server last told, and how often it was asked. */
  mcp: Map<string, { listed: McpListed; attempts: number }>;
  /** By id, in the order in which they were made. */
  tasks: Map<string, Task>;
  notes: Note[];
  /** What the run waits for now, beside an approval. */
  waiting: WaitStarted | undefined;
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
    rootRunId: first.data.parent?.root_run_id ?? first.runId,
    workspaceId,
    parent: first.data.parent,
    seq: 0,
    snapshot: first.data.submission,
    secretNames: first.data.secrets,
    resumed: false,
    provisioned: false,
    prepared: false,
    cancelRequested: undefined,
    stopped: undefined,
    secretSeen: undefined,
    finishing: undefined,
    finished: false,
    turns: [],
    mcp: new Map(),
    tasks: new Map(),
    notes: [],
    waiting: undefined,
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
    case "run.forked":
      for (const layer of event.data.layers) applyLayer(state, layer);
      // What the other run had installed is among its layers.
      state.prepared = true;
      return;
    case "environment.prepared":
      applyPrepared(state, event.data);
      return;
    case "run.resumed":
      state.resumed = true;
      return;
    case "run.provisioned":
      state.provisioned = true;
      return;
    case "mcp.listed":
      applyListed(state, event.data);
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
      applyFinished(state, event.data);
      return;
    case "wait.started":
      applyWait(state, event.data);
      return;
    case "wait.resolved":
      applyResolved(state, event.seq, event.data);
      return;
    case "message.received":
      state.notes.push({ seq: event.seq, text: messageNote(event.data) });
      return;
    case "outputs.captured":
      state.captured = event.data;
      return;
    case "secret.seen":
      state.secretSeen = event.data;
      return;
    case "run.stopped":
      state.stopped = event.data;
      return;
    case "run.cancel_requested":
      state.cancelRequested = event.data;
      return;
    case "run.finishing":
      state.finishing = event.data;
      return;
    case "run.finished":
      state.finished = true;
      return;
  }
}

function applyPrepared(state: RunState, prepared: EventData<"environment.prepared">): void {
  state.prepared = true;
  for (const { duration_ms } of prepared.packages) state.spentMs += duration_ms;
  for (const layer of prepared.layers) applyLayer(state, layer);
}

function applyListed({ mcp }: RunState, listed: McpListed): void {
  const { attempts } = mcp.get(listed.server) ?? { attempts: 0 };
  mcp.set(listed.server, { listed, attempts: attempts + 1 });
}

function applyWait(state: RunState, started: WaitStarted): void {
  state.waiting = started;
  if (started.call_id === null) return;
  findCall(state, started.call_id).waited = { started, resolved: undefined };
}

/** What an agent says to another one is told as such: it must not pass for a person's word. */
function messageNote({ from_run_id, from, text }: EventData<"message.received">): string | BlobRef {
  if (from_run_id === null || typeof text !== "string") return text;
  return JSON.stringify({
    ...{ type: "agent_message", from_agent_id: from, from_session_id: from_run_id },
    message: text,
  });
}

function applyFinished(state: RunState, finished: EventData<"call.finished">): void {
  findCall(state, finished.call_id).finished = finished;
  state.spentMs += finished.duration_ms;
  for (const { name, sha256 } of finished.staged ?? []) state.placed.set(name, sha256);
  for (const layer of finished.layers ?? []) applyLayer(state, layer);
  applyTasks(state, finished);
}

function applyTasks(state: RunState, { task, seen_tasks = [] }: EventData<"call.finished">): void {
  if (task !== undefined) state.tasks.set(task.task_id, { ...task, seen: false, joined: false });
  for (const id of seen_tasks) {
    const seen = state.tasks.get(id);
    if (seen === undefined) continue;
    seen.seen = true;
    if (seen.policy === "any") joinGroup(state, seen.group);
  }
}

/** One that was told of is enough for those that are in the group now; whatever is started in it later is not among them. */
function joinGroup({ tasks }: RunState, group: string): void {
  for (const task of tasks.values()) if (task.group === group) task.joined = true;
}

function applyResolved(state: RunState, seq: number, resolved: WaitResolved): void {
  state.waiting = undefined;
  if (resolved.call_id !== null) {
    const { waited } = findCall(state, resolved.call_id);
    assert(waited, `Call ${resolved.call_id} waited`);
    waited.resolved = resolved;
    return;
  }
  for (const id of resolved.joined.flatMap(({ tasks }) => tasks)) {
    const task = state.tasks.get(id);
    if (task) task.joined = true;
  }
  state.notes.push({ seq, text: joinedNote(state.rootRunId, resolved) });
}

/** What the model is told when tasks that it left to themselves are joined. */
function joinedNote(workflowId: string, { joined }: WaitResolved): string {
  return JSON.stringify({
    type: "workflow_join_satisfied",
    workflow_id: workflowId,
    join_task_ids: joined.flatMap(({ tasks }) => tasks),
    joined: joined.map(({ group, policy, ended }) => ({ group, policy, tasks: ended })),
    message: "Tasks that you started are done: workflow_state and workflow_wait have their results",
  });
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
      waited: undefined,
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

/** Whether something was written for the model since it was last asked. */
export function hasUnread({ notes, turns }: RunState): boolean {
  const read = turns.at(-1)?.reply.read_seq ?? 0;
  return notes.some(({ seq }) => seq > read);
}

/** The text of a reply as far as an event holds it: a long text is a blob, of which only the head is here. */
export function textOf(reply: EventData<"turn.replied">): string {
  const head = (text: string | BlobRef) => (typeof text === "string" ? text : text.head);
  return reply.parts
    .filter((part) => part.type === "text")
    .map((part) => head(part.text))
    .join("");
}
