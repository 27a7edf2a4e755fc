import type { NewEvent } from "../contract/event.ts";
import type { CallWait } from "../tools/tools.ts";
import type { CallState } from "./state.ts";

/**
 * What is written down when a call waits: from then on its run is a row, until what it waits for is there (I12), or the time
 * of its tree is over: `treeUntil`.
 */
export function waitEvents(
  { request: { call_id } }: CallState,
  wait: CallWait,
  treeUntil: string | null,
): NewEvent[] {
  if (wait.on === "children") {
    const { tasks } = wait;
    const until = earlier(wait.until, treeUntil);
    const data = { call_id, on: wait.on, tasks, until, groups: [], interaction_id: null };
    return [{ type: "wait.started", data }];
  }
  const { request } = wait;
  const { interaction_id } = request;
  return [
    { type: "input.requested", data: { ...request, call_id } },
    {
      type: "wait.started",
      data: { call_id, on: "input", tasks: [], groups: [], interaction_id, until: treeUntil },
    },
  ];
}

/** Of two times; null is never. */
function earlier(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return Date.parse(one) <= Date.parse(other) ? one : other;
}
