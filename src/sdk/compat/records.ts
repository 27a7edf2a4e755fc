import type { LiveEvent, RunEvent } from "../../contract/event.ts";
import type { Output } from "../../contract/output.ts";
import { isEnd, type Run, type RunStatus } from "../../contract/run.ts";

/** `running` and `waiting` have one name: a provider was at work whenever a run was neither before nor behind it. */
export type CompatRunStatus = Exclude<RunStatus, "running" | "waiting"> | "provider_running";

/** A run, with the members that programs of 0.8 and after look at. */
export interface RunRecord extends Omit<Run, "status"> {
  runId: string;
  status: CompatRunStatus;
  cleanupStatus: Run["cleanup_status"];
  terminalAt: string | null;
  errorMessage: string | null;
}

/** An event with an id of its own: that of its run and its number. */
export type RunEventRecord = RunEvent & { id: string };

export interface RunOutput extends Output {
  fileName: string;
  byteSize: number;
}

export interface DownloadOptions {
  /** A file that is written as well. */
  to?: string;
  signal?: AbortSignal;
}

/** Whether a run with this status has ended. */
export function isTerminal(status: string): boolean {
  return isEnd(status);
}

export function runRecord(run: Run): RunRecord {
  return {
    ...run,
    runId: run.id,
    status: run.status === "running" || run.status === "waiting" ? "provider_running" : run.status,
    cleanupStatus: run.cleanup_status,
    terminalAt: run.finishedAt,
    errorMessage: isEnd(run.status) ? run.message : null,
  };
}

export function eventRecord(event: RunEvent): RunEventRecord {
  return { ...event, id: `${event.runId}:${event.seq}` };
}

/** The durable ones; the others have no number, and so no id. */
export async function* eventRecords(
  events: AsyncIterable<RunEvent | LiveEvent>,
): AsyncGenerator<RunEventRecord> {
  for await (const event of events) if ("seq" in event) yield eventRecord(event);
}

export function outputRecord(output: Output): RunOutput {
  return { ...output, fileName: output.name, byteSize: output.bytes };
}
