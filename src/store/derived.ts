import { referredBlobs } from "../contract/blob-ref.ts";
import type { EventData, NewEvent } from "../contract/event.ts";
import type { Output } from "../contract/output.ts";

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
      return (event.data.submission.files ?? []).map(({ sha256 }) => sha256);
    case "turn.replied":
      return [...referredBlobs([event.data.parts, event.data.calls])];
    case "call.finished": {
      const { result, content = [], staged = [], stdout, stderr } = event.data;
      return [
        ...referredBlobs(result),
        ...[...content, ...staged].map(({ sha256 }) => sha256),
        ...[stdout, stderr].flatMap((stream) => (stream ? [stream.blob] : [])),
      ];
    }
    case "approval.requested":
      return [...referredBlobs(event.data)];
    case "outputs.captured":
      return event.data.outputs.map(({ sha256 }) => sha256);
    default:
      return [];
  }
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

/** The layers that this event's call gave its run. */
export function layersOf(event: NewEvent): NonNullable<EventData<"call.finished">["layers"]> {
  return event.type === "call.finished" ? (event.data.layers ?? []) : [];
}

/** The artifact that this event's call gave its run tree. */
export function artifactOf(event: NewEvent): EventData<"call.finished">["artifact"] {
  return event.type === "call.finished" ? event.data.artifact : undefined;
}

/** The content that this event's call wrote, in the order of writing. */
export function contentsOf(event: NewEvent): Written[] {
  const written = event.type === "call.finished" ? (event.data.content ?? []) : [];
  return written.map(({ name, visibility, sha256, bytes }) => ({
    name,
    visibility,
    sha256,
    bytes,
  }));
}
