import { limits } from "../base/limits.ts";
import { cutText } from "../base/whole-text.ts";
import { contentAlias } from "../content/content.ts";
import { isEnd } from "../contract/run.ts";
import type { TaskStatus } from "../contract/workflow.ts";
import type { TaskArtifact, TaskFacts } from "./run-tasks.ts";
import type { ToolContext } from "./tool.ts";

/** Nothing happens to a task in these before a person answers. */
export function asksPerson(status: TaskStatus): boolean {
  return status === "awaiting_approval" || status === "awaiting_input";
}

/** Nobody has to wait for it any longer: it has ended, or waits for a person itself. */
export function hasSettled({ status }: TaskFacts): boolean {
  return isEnd(status) || asksPerson(status);
}

/** The ids under which a person answers what a task asks. */
export function questionOf({
  approval_request_id,
  interaction_id,
}: TaskFacts): Record<string, string> {
  return {
    ...(approval_request_id === null ? {} : { approval_request_id }),
    ...(interaction_id === null ? {} : { interaction_id }),
  };
}

/** The beginning of what a task said, where many are told of. Cut between characters. */
export function summaryOf({ reply, message }: TaskFacts): string | null {
  const text = reply ?? message;
  if (text === null || text.length <= limits.taskSummaryChars) return text;
  return `${cutText(text, limits.taskSummaryChars - 1)}…`;
}

/** Content that other runs of the tree see, by the run that wrote it: of each name its newest version. */
export async function filesOf(
  { content }: Pick<ToolContext, "content">,
  taskId: string,
): Promise<Record<string, unknown>[]> {
  const newest = new Map<string, Record<string, unknown>>();
  for (const { runId, name, visibility, sha256, bytes } of await content()) {
    if (runId !== taskId || visibility !== "session") continue;
    newest.set(name, { name, handle: sha256, alias: contentAlias(sha256), bytes });
  }
  return [...newest.values()];
}

/** The artifact by which others take over what a task made: its newest. */
export function outputOf(
  task: TaskFacts,
  built: readonly TaskArtifact[] | undefined,
): Record<string, unknown> | null {
  const newest = built?.at(-1);
  if (newest === undefined) return null;
  const { artifact_id, artifact_ref, name, built_at } = newest;
  return { artifact_id, artifact_ref, name, summary: summaryOf(task), created_at: built_at };
}
