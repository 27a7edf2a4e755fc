import { createHash } from "node:crypto";

/** The parts of an event that its hash covers. `data` is its canonical JSON, as it is stored. */
export interface ChainLink {
  runId: string;
  seq: number;
  time: string;
  type: string;
  data: string;
}

/** What the first event of a run has for a previous hash: nobody can move a journal to another run's id. */
export function genesisHash(runId: string): string {
  return sha256(`airlock journal ${runId}`);
}

/**
 * The hash of an event: sha256, in hex, over the previous hash, a line feed, and the canonical JSON of
 * `{runId, seq, time, type, data}`. Anybody can recompute it from `events.jsonl` with any RFC 8785 library.
 */
export function chainHash(previous: string, link: ChainLink): string {
  const { runId, seq, time, type, data } = link;
  // The members in canonical order around data that is canonical already: writing it twice would double the cost.
  const canonical =
    `{"data":${data},"runId":${JSON.stringify(runId)},"seq":${seq},` +
    `"time":${JSON.stringify(time)},"type":${JSON.stringify(type)}}`;
  return sha256(`${previous}\n${canonical}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
