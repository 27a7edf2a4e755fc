import { assert } from "../base/assert.ts";
import { canonicalJson } from "../base/canonical-json.ts";
import { wholeText } from "../base/whole-text.ts";
import type { NewEvent, RunEvent } from "../contract/event.ts";
import { isEnd } from "../contract/run.ts";
import { chainHash, genesisHash } from "./chain.ts";
import { fold, type RunState } from "./fold.ts";
import type { EventsTable } from "./schema.ts";

/** New events at the end of a chain, and what the run has become by them. */
export interface Linked {
  state: RunState;
  events: RunEvent[];
  rows: EventsTable[];
}

export interface RunKey {
  runId: string;
  workspaceId: string;
}

/** A run that has ended still has directories to remove, and what was approved in it can still be taken back. */
const afterTheEnd: string[] = ["run.cleaned", "approval.revoked"];

/**
 * Numbers new events, stamps and hashes them onto the chain, and folds them. Pure. `state` is undefined for the first
 * event of a run. Fails on any other event after the end than those above.
 */
export function link(
  run: RunKey,
  state: RunState | undefined,
  added: NewEvent[],
  time: string,
): Linked {
  let next = state;
  const events: RunEvent[] = [];
  const rows: EventsTable[] = [];
  for (const { type, data: said } of added) {
    assert(
      next === undefined || !isEnd(next.status) || afterTheEnd.includes(type),
      `${type} was appended to ${run.runId}, which has ended`,
    );
    const { data, text } = written(said);
    const seq = (next?.lastSeq ?? 0) + 1;
    const previous = next?.head ?? genesisHash(run.runId);
    // A clock that was set back must not let a run end before it began. Times of one format compare as text.
    const at = next !== undefined && next.updatedAt > time ? next.updatedAt : time;
    const hash = chainHash(previous, { runId: run.runId, seq, time: at, type, data: text });
    // Type and data come from one NewEvent; TypeScript does not keep the pair together when it is taken apart.
    const event = { runId: run.runId, seq, time: at, hash, type, data } as RunEvent;
    next = fold(next, event);
    events.push(event);
    rows.push({
      run_id: run.runId,
      seq,
      workspace_id: run.workspaceId,
      type,
      time: at,
      hash,
      data: text,
    });
  }
  assert(next, `No event was appended to ${run.runId}`);
  return { state: next, events, rows };
}

/**
 * What an event says, and its canonical JSON. Half a character, which a model may say, would be another text in a row than
 * in the event from which the row follows: a sign stands for it in both.
 */
function written(said: NewEvent["data"]): { data: NewEvent["data"]; text: string } {
  const text = canonicalJson(said);
  // JSON is written with such halves escaped: to look for them there costs less than to walk every event.
  if (!/\\ud[89a-f]/.test(text)) return { data: said, text };
  const data = wholeText(said);
  return { data, text: canonicalJson(data) };
}
