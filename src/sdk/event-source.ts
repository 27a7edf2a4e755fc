/** One event of a stream. `id` and `event` are those of this event's own lines. */
export interface SourceEvent {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

export interface EventSourceParser {
  /** The events that a further piece of the stream completes. Throws a `RangeError` once one grows beyond the bound. */
  feed(text: string): SourceEvent[];
}

/**
 * Reads the text of a server-sent event stream (WHATWG HTML, 9.2.6), in pieces that may be cut anywhere. An event is complete
 * with its empty line; what the stream ends in without one is dropped, as the format wants it. `maxChars` bounds what is kept
 * of an event that is not complete (I9).
 */
export function openEventSourceParser(maxChars: number): EventSourceParser {
  let first = true;
  let afterReturn = false;
  let line: string[] = [];
  let lineChars = 0;
  let pending: { id?: string; event?: string; data: string[]; chars: number } = empty();

  /** The event that a whole line completes, if it is the empty one. */
  function take(whole: string): SourceEvent | undefined {
    if (whole !== "") {
      field(whole);
      return undefined;
    }
    const { id, event, data } = pending;
    pending = empty();
    return data.length === 0 ? undefined : { id, event, data: data.join("\n") };
  }

  function field(whole: string): void {
    const colon = whole.indexOf(":");
    const name = colon === -1 ? whole : whole.slice(0, colon);
    const raw = colon === -1 ? "" : whole.slice(colon + 1);
    const value = raw.startsWith(" ") ? raw.slice(1) : raw;
    if (name === "data") {
      pending.data.push(value);
      pending.chars += value.length + 1;
    } else if (name === "event") {
      // An empty name is none.
      if (value === "") delete pending.event;
      else pending.event = value;
    } else if (name === "id" && !value.includes("\0")) pending.id = value;
  }

  return {
    feed(text) {
      let rest = text;
      if (first && rest !== "") {
        first = false;
        if (rest.startsWith("\uFEFF")) rest = rest.slice(1);
      }
      // The two halves of one end of a line may come in two pieces.
      if (afterReturn && rest !== "") {
        afterReturn = false;
        if (rest.startsWith("\n")) rest = rest.slice(1);
      }
      const events: SourceEvent[] = [];
      const ends = /\r\n|\r|\n/g;
      let from = 0;
      for (let end = ends.exec(rest); end !== null; end = ends.exec(rest)) {
        line.push(rest.slice(from, end.index));
        const event = take(line.length === 1 ? (line[0] ?? "") : line.join(""));
        if (event) events.push(event);
        line = [];
        lineChars = 0;
        from = end.index + end[0].length;
        afterReturn = end[0] === "\r" && from === rest.length;
        refuseTooLong();
      }
      if (from < rest.length) {
        line.push(rest.slice(from));
        lineChars += rest.length - from;
      }
      refuseTooLong();
      return events;
    },
  };

  function refuseTooLong(): void {
    if (lineChars + pending.chars <= maxChars) return;
    throw new RangeError(`An event of the stream is longer than ${maxChars} characters`);
  }
}

function empty() {
  return { data: [], chars: 0 };
}
