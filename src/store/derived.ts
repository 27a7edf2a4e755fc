import { referredBlobs } from "../contract/blob-ref.ts";
import type { EventData, NewEvent } from "../contract/event.ts";
import type { Output } from "../contract/output.ts";
import type { RunSnapshot } from "../contract/submission.ts";

type Written = NonNullable<EventData<"call.finished">["content"]>[number];

/**
 * Every blob that an event refers to, from the members that can name one and no other: a digest that a model or a caller
 * wrote somewhere is text. Each keeps its blob from being swept.
 */
export function blobsOf(event: NewEvent): string[] {
  return [...new Set(namedBlobs(event))];
}

function namedBlobs(event: NewEvent): string[] {
  switch (event.type) {
    case "run.submitted":
      return submittedBlobs(event.data.submission);
    case "turn.replied":
      return [...referredBlobs([event.data.parts, event.data.calls])];
    case "call.finished": {
      const { result, content = [], staged = [], stdout, stderr, reply } = event.data;
      return [
        ...referredBlobs([result, reply]),
        ...[...content, ...staged].map(({ sha256 }) => sha256),
        ...[stdout, stderr].flatMap((stream) => (stream ? [stream.blob] : [])),
      ];
    }
    case "run.forked":
      return event.data.content.map(({ sha256 }) => sha256);
    case "message.received":
    case "approval.requested":
      return [...referredBlobs(event.data)];
    case "outputs.captured":
      return event.data.outputs.map(({ sha256 }) => sha256);
    default:
      return [];
  }
}

function submittedBlobs({ files = [], agent, forked }: RunSnapshot): string[] {
  const placed = [...files, ...(agent?.files ?? [])].map(({ sha256 }) => sha256);
  return forked === undefined ? placed : [...placed, forked.transcript];
}

/** The outputs that a run has after this event; undefined when the event changes none. */
export function outputsOf(event: NewEvent): Output[] | undefined {
  if (event.type !== "outputs.captured") return undefined;
  return event.data.outputs.map(({ id, path, name, sha256, bytes, contentType }) => ({
    id,
    path,
    name,
    sha256,
    bytes,
    contentType,
  }));
}

/** The layers that this event gave its run. */
export function layersOf(event: NewEvent): NonNullable<EventData<"call.finished">["layers"]> {
  if (event.type === "run.forked" || event.type === "environment.prepared")
    return event.data.layers;
  return event.type === "call.finished" ? (event.data.layers ?? []) : [];
}

/** The artifact that this event's call gave its run tree. */
export function artifactOf(event: NewEvent): EventData<"call.finished">["artifact"] {
  return event.type === "call.finished" ? event.data.artifact : undefined;
}

/** The content that this event's call wrote, or that a fork has from the beginning, in the order of writing. */
export function contentsOf(event: NewEvent): Written[] {
  return writtenBy(event).map(({ name, visibility, sha256, bytes }) => ({
    name,
    visibility,
    sha256,
    bytes,
  }));
}

function writtenBy(event: NewEvent): Written[] {
  if (event.type === "run.forked") return event.data.content;
  return event.type === "call.finished" ? (event.data.content ?? []) : [];
}
