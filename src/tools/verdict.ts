import { isEnd } from "../contract/run.ts";
import type { TaskArtifact, TaskFacts } from "./run-tasks.ts";

/** What a task that looks at the work of others says of it. */
export interface Verdict {
  role: "evaluator" | "auditor";
  pass: boolean;
  /** When its task began: it can only be about what was there then. */
  since: string;
  /** The artifact that it names; null: none. */
  artifact: string | null;
}

/** The part of an agent's id that says what it is for: `coder` of `coder.default`. */
export function roleOf(agentId: string): string {
  return agentId.split(".")[0] ?? agentId;
}

/** The verdicts of a tree, oldest first: JSON replies of evaluators and auditors that say whether something passes. */
export function verdictsOf(tasks: readonly TaskFacts[]): Verdict[] {
  return tasks.flatMap((task) => {
    const role = roleOf(task.agent_id);
    if ((role !== "evaluator" && role !== "auditor") || !isEnd(task.status)) return [];
    const said = objectIn(task.reply);
    const pass = said?.[`${role}_pass`] ?? said?.pass;
    if (typeof pass !== "boolean") return [];
    const named = [said?.artifact_ref, said?.artifact_id].find((one) => typeof one === "string");
    return [{ role, pass, since: task.created_at, artifact: named ?? null } as Verdict];
  });
}

/** Whether the last word of an evaluator or of an auditor on an artifact is no. One that is about another one says nothing. */
export function isRefused(artifact: TaskArtifact, verdicts: readonly Verdict[]): boolean {
  const { artifact_id, artifact_ref, built_at } = artifact;
  const about = verdicts.filter(
    ({ since, artifact: named }) =>
      since >= built_at && (named === null || named === artifact_id || named === artifact_ref),
  );
  return (["evaluator", "auditor"] as const).some(
    (role) => about.findLast((verdict) => verdict.role === role)?.pass === false,
  );
}

/** The JSON object that a reply is, alone or in a fenced block. */
function objectIn(reply: string | null): Record<string, unknown> | undefined {
  if (reply === null) return undefined;
  const fenced = [...reply.matchAll(/```(?:json)?\s*\n([\s\S]*?)\n\s*```/g)].map(
    ([, body]) => body,
  );
  const bare = reply.slice(reply.indexOf("{"), reply.lastIndexOf("}") + 1);
  for (const text of [...fenced, bare]) {
    const value = parsed(text ?? "");
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  }
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
