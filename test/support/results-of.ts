import { isEvent, type RunEvent, type RunRef } from "../../src/sdk/sdk.ts";
import { historyOf, type Reachable } from "./airlock-api.ts";

/** What the model was told of each call, in order, as the journal keeps it. */
export function resultsIn(history: readonly RunEvent[]): Record<string, unknown>[] {
  return history
    .filter((event) => isEvent(event, "call.finished"))
    .map(({ data }) => data.result as Record<string, unknown>);
}

export async function resultsOf(
  gateway: Reachable,
  runId: string,
): Promise<Record<string, unknown>[]> {
  return resultsIn(await historyOf(gateway, runId));
}

/** Follows a run until an event of this type, live ones included, has come `count` times. */
export async function untilEvent(run: RunRef, type: string, count = 1): Promise<void> {
  let seen = 0;
  for await (const event of run.stream({ live: true })) {
    if (event.type === type) seen += 1;
    if (seen === count) return;
  }
  throw new Error(`Run ${run.id} ended with ${seen} of ${count} ${type}`);
}
