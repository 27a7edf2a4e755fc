import { z } from "zod";
import { canonicalJson } from "../base/canonical-json.ts";
import { eventData, type RunEvent } from "../contract/event.ts";
import { chainHash, fold, genesisHash, type RunState } from "../store/store.ts";
import { addFact, type Facts, noFacts } from "./facts.ts";
import { parseJson, rowsWeightMax, submissionWeightMax, weightOf } from "./parse-json.ts";

/** One event: no honest one comes near. */
const lineBytesMax = 256 * 1024 * 1024;

/** What the events of an archive say, and what is wrong with them. */
export interface ReadEvents {
  /** Lines. */
  count: number;
  lastSeq: number;
  head: string;
  /** Undefined when they cannot be folded. */
  state: RunState | undefined;
  facts: Facts;
}

export interface EventCheck {
  push(piece: Buffer): void;
  end(): ReadEvents;
}

/**
 * Reads `events.jsonl` as it comes and recomputes the chain from its beginning: an event that was dropped, added,
 * reordered or edited is told by its number.
 */
export function openEventCheck(runId: string, report: (message: string) => void): EventCheck {
  const read: ReadEvents = {
    ...{ count: 0, lastSeq: 0, head: genesisHash(runId), state: undefined, facts: noFacts() },
  };
  let folds = true;
  let open: Buffer[] = [];
  let openBytes = 0;

  /** `linked`: the hash of the event before is known, and is what this one has to follow. */
  const link = (event: RunEvent, linked: boolean) => {
    const { seq, time, type, hash } = event;
    if (event.runId !== runId) report(`Event ${seq} is of the run ${quoted(event.runId)}`);
    const data = canonicalJson(event.data);
    const expected = chainHash(read.head, { runId, seq, time, type, data });
    if (linked && hash !== expected) {
      report(`Event ${seq} was edited: its content gives the hash ${expected}, it has ${hash}`);
    }
    read.lastSeq = seq;
    read.head = hash;
  };
  const follow = (event: RunEvent, linked: boolean) => {
    try {
      link(event, linked);
      if (!folds) return;
      // What is not what its type says would break whoever reads it next.
      eventData[event.type].parse(event.data);
      read.state = fold(read.state, event);
      addFact(read.facts, event);
    } catch (error) {
      folds = false;
      read.state = undefined;
      const why = reasonOf(error);
      report(`Event ${event.seq} cannot be read by this version of airlock: ${why}`);
    }
  };
  const line = (bytes: Buffer) => {
    read.count += 1;
    const event = eventOf(bytes);
    if (typeof event === "string") return report(`Line ${read.count} of events.jsonl ${event}`);
    const expected = read.lastSeq + 1;
    if (event.seq < expected) {
      return report(`Event ${event.seq} stands in line ${read.count}, where ${expected} belongs`);
    }
    if (event.seq > expected) report(missing(expected, event.seq - 1));
    follow(event, event.seq === expected);
  };

  return {
    push(piece) {
      let begin = 0;
      for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, begin)) {
        line(Buffer.concat([...open, piece.subarray(begin, at)]));
        open = [];
        openBytes = 0;
        begin = at + 1;
      }
      if (begin === piece.length || openBytes > lineBytesMax) return;
      open.push(piece.subarray(begin));
      openBytes += piece.length - begin;
    },
    end() {
      if (openBytes > 0) line(Buffer.concat(open));
      return read;
    },
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    return `${issue?.path.map(String).join(".")}: ${issue?.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** The event of a line, or what the line is in place of one. */
function eventOf(bytes: Buffer): RunEvent | string {
  let value: unknown;
  try {
    value = parseJson(bytes, submissionWeightMax);
  } catch (error) {
    return reasonOf(error);
  }
  const event = value as Partial<RunEvent> | null;
  const isEvent =
    typeof event === "object" &&
    event !== null &&
    Number.isSafeInteger(event.seq) &&
    [event.runId, event.time, event.hash, event.type].every((text) => typeof text === "string") &&
    Object.hasOwn(eventData, event.type ?? "") &&
    typeof event.data === "object" &&
    event.data !== null;
  if (!isEvent) return "is no event";
  const isLight = event.type === "run.submitted" || weightOf(bytes) <= rowsWeightMax;
  return isLight ? (event as RunEvent) : "has more values than a gateway writes";
}

function missing(first: number, last: number): string {
  return first === last ? `Event ${first} is missing` : `Events ${first} to ${last} are missing`;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
