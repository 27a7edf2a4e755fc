import type { JoinGroup } from "../contract/workflow.ts";
import type { RunState } from "./state.ts";

/**
 * The groups of tasks that the run still waits for: not joined, and with an end that the model was not told of. Of a group
 * that one task is enough for, one end that it was told of is enough.
 */
export function openGroups({ tasks }: Pick<RunState, "tasks">): JoinGroup[] {
  const groups = new Map<string, JoinGroup & { seen: number }>();
  for (const { task_id, group, policy, seen, joined } of tasks.values()) {
    if (policy === "manual" || joined) continue;
    const found = groups.get(group) ?? { group, policy, tasks: [], seen: 0 };
    groups.set(group, found);
    found.tasks.push(task_id);
    if (seen) found.seen += 1;
  }
  return [...groups.values()].flatMap(({ seen, ...group }) => {
    const enough = group.policy === "any" ? 1 : group.tasks.length;
    return seen >= enough ? [] : [group];
  });
}
