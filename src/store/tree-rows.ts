import { canonicalJson } from "../base/canonical-json.ts";
import type { EventData, RunEvent } from "../contract/event.ts";
import type { AppendTo } from "./append.ts";
import { artifactOf } from "./derived.ts";
import type { WaitsTable } from "./interactions-schema.ts";
import type { BuiltArtifactsTable, RunsTable } from "./schema.ts";

/** The columns of a run that say who started it and what it is, and never change. */
export type TreeColumns = Pick<
  RunsTable,
  | "root_run_id"
  | "parent_run_id"
  | "parent_call_id"
  | "join_group"
  | "join_policy"
  | "agent"
  | "depth"
>;

export function treeColumns(
  runId: string,
  { parent, submission }: Pick<EventData<"run.submitted">, "parent" | "submission">,
): TreeColumns {
  return {
    root_run_id: parent?.root_run_id ?? runId,
    parent_run_id: parent?.run_id ?? null,
    parent_call_id: parent?.call_id ?? null,
    join_group: parent?.group ?? null,
    join_policy: parent?.policy ?? null,
    agent: submission.agent?.id ?? null,
    depth: parent?.depth ?? 0,
  };
}

/** What the run waits for after this event: a row; null: nothing any more; undefined: the event says nothing of it. */
export function waitAfter(run: AppendTo, event: RunEvent): WaitsTable | null | undefined {
  switch (event.type) {
    case "wait.started":
      return {
        ...{ run_id: run.runId, workspace_id: run.workspaceId, on_what: event.data.on },
        ...{ wait: canonicalJson(event.data), until: event.data.until, started_at: event.time },
      };
    // Whoever waits does so no longer: it is there, or the run is to end.
    case "wait.resolved":
    case "run.cancel_requested":
    case "run.stopped":
    case "run.finishing":
    case "run.finished":
      return null;
    default:
      return undefined;
  }
}

/** The artifact that this event's call gave its run, as a row. */
export function builtRow(run: AppendTo, event: RunEvent): BuiltArtifactsTable | undefined {
  const built = artifactOf(event);
  if (built === undefined) return undefined;
  return {
    ...{ run_id: run.runId, seq: event.seq, workspace_id: run.workspaceId },
    ...{ root_run_id: run.rootRunId, built_at: event.time, name: built.name },
    ...{ artifact_id: built.artifact_id, artifact_ref: built.artifact_ref },
  };
}
