import type { Readable } from "node:stream";
import type { Blobs } from "../content/content.ts";
import { buildArchive } from "../content/content.ts";
import type { RunEvent } from "../contract/event.ts";
import { isEvent } from "../contract/event.ts";
import { Problem } from "../contract/problem.ts";
import { isEnd, type Run } from "../contract/run.ts";
import type { Store } from "../store/store.ts";

const pageRows = 500;

/**
 * The run as one zip: what it was asked, what happened, what it made and what is missing. While it runs this is the last
 * snapshot (`partial`); before it starts there is nothing to give.
 */
export async function openRunArchive(
  run: Run,
  from: Pick<Store, "journal" | "files"> & { blobs: Blobs },
): Promise<{ filename: string; stream: Readable }> {
  if (run.status === "pending" || run.status === "queued" || run.status === "provisioning") {
    throw new Problem("run_not_started", `Run ${run.id} is ${run.status}: it has no archive yet`);
  }
  const { id: runId, submission: snapshot, ...rest } = run;
  const captured = await from.journal.latest(run.id, "outputs.captured");
  const missing = captured && isEvent(captured, "outputs.captured") ? captured.data.missing : [];
  const ended = isEnd(run.status);
  const stream = buildArchive({
    runJson: { runId, ...rest, snapshot },
    events: eventsOf(from.journal, run),
    outputs: await from.files.outputs(run.workspaceId, run.id),
    missing,
    source: ended ? "s3" : "live",
    partial: !ended,
    mtime: new Date(run.finishedAt ?? run.updatedAt),
    blobs: from.blobs,
  });
  return { filename: `airlock-${run.id}.zip`, stream };
}

/** The events as of now: what is appended while the archive is read is left to the next one. */
async function* eventsOf(journal: Store["journal"], run: Run): AsyncGenerator<RunEvent> {
  for (let seq = 0; seq < run.lastSeq; ) {
    const page = await journal.read(run.id, seq, Math.min(pageRows, run.lastSeq - seq));
    if (page.length === 0) return;
    yield* page;
    seq = page.at(-1)?.seq ?? run.lastSeq;
  }
}
