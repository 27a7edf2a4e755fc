import type { Readable } from "node:stream";
import { type Attestor, addFact, custodyOf, type Facts, noFacts } from "../attest/attest.ts";
import type { Blobs } from "../content/content.ts";
import { buildArchive } from "../content/content.ts";
import type { RunEvent } from "../contract/event.ts";
import { Problem } from "../contract/problem.ts";
import { isEnd, type Run } from "../contract/run.ts";
import type { Store } from "../store/store.ts";

const pageRows = 500;

/**
 * The run as one zip: what it was asked, what happened, what it made, what is missing, and the gateway's signature under
 * all of that. While it runs this is the last snapshot (`partial`); before it starts there is nothing to give. Nothing of
 * the run is changed or captured by it. All that is told follows from the events up to `run.lastSeq`, so that an archive
 * agrees with itself while the run goes on.
 */
export function openRunArchive(
  run: Run,
  from: { journal: Pick<Store["journal"], "read">; blobs: Blobs; attestor: Attestor },
): { filename: string; stream: Readable } {
  if (run.status === "pending" || run.status === "queued" || run.status === "provisioning") {
    throw new Problem("run_not_started", `Run ${run.id} is ${run.status}: it has no archive yet`);
  }
  const { id: runId, submission: snapshot, ...rest } = run;
  const facts = noFacts();
  const partial = !isEnd(run.status);
  const stream = buildArchive({
    runJson: { runId, ...rest, snapshot },
    events: eventsOf(from.journal, run, facts),
    archived: () => ({
      outputs: facts.outputs,
      missing: facts.missing,
      custody: custodyOf(runId, run.status, facts),
    }),
    attest: (members, manifest) => from.attestor.attest(run, facts, manifest, members),
    source: partial ? "live" : "s3",
    partial,
    mtime: new Date(run.finishedAt ?? run.updatedAt),
    blobs: from.blobs,
  });
  return { filename: `airlock-${run.id}.zip`, stream };
}

/** The events as of now: what is appended while the archive is read is left to the next one. */
async function* eventsOf(
  journal: Pick<Store["journal"], "read">,
  run: Run,
  facts: Facts,
): AsyncGenerator<RunEvent> {
  for (let seq = 0; seq < run.lastSeq; ) {
    const page = await journal.read(run.id, seq, Math.min(pageRows, run.lastSeq - seq));
    // What is signed must be whole: an archive that is cut off is none.
    if (page.length === 0) throw new Problem("run_deleted", `Run ${run.id} was deleted meanwhile`);
    for (const event of page) {
      addFact(facts, event);
      yield event;
    }
    seq = page.at(-1)?.seq ?? run.lastSeq;
  }
}
