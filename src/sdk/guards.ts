import { type EventType, isEvent, type LiveEvent, type RunEvent } from "../contract/event.ts";

/**
 * What programs ask of events most often. Each narrows an event to its type with its data; `isEvent(event, type)` does the
 * same for every other durable one. An event of a type that is not known here is none of them.
 */
type AnyEvent = RunEvent | LiveEvent;
type Of<T extends EventType> = Extract<RunEvent, { type: T }>;
type Live<T extends LiveEvent["type"]> = Extract<LiveEvent, { type: T }>;

/** It is in the journal, with a number; the others are shown while they happen, and kept nowhere. */
export function isDurable(event: AnyEvent): event is RunEvent {
  return "seq" in event;
}

/** The run has begun to work. */
export function isRunStarted(event: AnyEvent): event is Of<"run.started"> {
  return isEvent(event, "run.started");
}

/** The last event of a stream: how the run ended, in `data.status` and `data.stop_reason`. */
export function isRunFinished(event: AnyEvent): event is Of<"run.finished"> {
  return isEvent(event, "run.finished");
}

/** The run ended, and not well. */
export function isRunError(event: AnyEvent): event is Of<"run.finished"> {
  return isRunFinished(event) && event.data.status === "failed";
}

/** A whole reply of the model: `data.parts`, and the calls that it asks for in `data.calls`. */
export function isTurnReplied(event: AnyEvent): event is Of<"turn.replied"> {
  return isEvent(event, "turn.replied");
}

/** A piece of a reply while it is written (`live: true`). */
export function isTextDelta(event: AnyEvent): event is Live<"model.delta"> {
  return event.type === "model.delta";
}

/** The pieces of this attempt do not count: the model is asked again (`live: true`). */
export function isTextReset(event: AnyEvent): event is Live<"model.reset"> {
  return event.type === "model.reset";
}

/** A call begins. */
export function isCallStarted(event: AnyEvent): event is Of<"call.started"> {
  return isEvent(event, "call.started");
}

/** A piece of what a command writes (`live: true`). */
export function isCallOutput(event: AnyEvent): event is Live<"call.output"> {
  return event.type === "call.output";
}

/** A call has ended: `data.outcome`, and in `data.result` what the model was told. */
export function isCallFinished(event: AnyEvent): event is Of<"call.finished"> {
  return isEvent(event, "call.finished");
}

/** The run waits for a person to allow a call. */
export function isApprovalRequested(event: AnyEvent): event is Of<"approval.requested"> {
  return isEvent(event, "approval.requested");
}

/** The run waits for a person to answer a question. */
export function isInputRequested(event: AnyEvent): event is Of<"input.requested"> {
  return isEvent(event, "input.requested");
}

/** Files were captured: `data.outputs`, and what is missing with its reason. */
export function isOutputsCaptured(event: AnyEvent): event is Of<"outputs.captured"> {
  return isEvent(event, "outputs.captured");
}
