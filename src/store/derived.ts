import type { EventData, NewEvent } from "../contract/event.ts";
import type { Output } from "../contract/output.ts";

type Written = NonNullable<EventData<"call.finished">["content"]>[number];

const digest = /^sha256:[0-9a-f]{64}$/;

/**
 * Every blob that an event names: each digest under a member called `blob` or `sha256`, however deep. Each keeps its
 * blob from being swept. A model can write such a member too; all it gains is that a blob stays.
 */
export function blobsOf(event: NewEvent): string[] {
  const found = new Set<string>();
  const open: unknown[] = [event.data];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== "object" || value === null) continue;
    if (Array.isArray(value)) {
      for (const item of value) open.push(item);
      continue;
    }
    for (const [key, member] of Object.entries(value)) {
      if (typeof member !== "string") open.push(member);
      else if ((key === "blob" || key === "sha256") && digest.test(member)) found.add(member);
    }
  }
  return [...found];
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
