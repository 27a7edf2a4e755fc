import { systemClock } from "../../src/base/clock.ts";
import { openLog } from "../../src/base/log.ts";
import { newId } from "../../src/contract/ids.ts";
import type { RunSnapshot } from "../../src/contract/submission.ts";
import { openStore, type Store } from "../../src/store/store.ts";
import { digestOf } from "./sample-store.ts";

/** Works with the store of a gateway that is stopped. */
export async function inStore<T>(dir: string, work: (store: Store) => Promise<T>): Promise<T> {
  const onBroken = (error: unknown) => {
    throw error;
  };
  const store = await openStore({ dir, clock: systemClock, log: openLog("silent"), onBroken });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** A run tree as a gateway that was just started finds it: a root, and so many tasks that it has started. */
export function submitTree(
  dir: string,
  root: RunSnapshot,
  tasks: readonly RunSnapshot[],
): Promise<{ workspaceId: string; rootRunId: string; runs: string[] }> {
  return inStore(dir, async (store) => {
    const [token] = await store.tokens.list();
    if (token === undefined) throw new Error("The gateway has been started before");
    const { workspaceId } = token;
    const rootRunId = newId("run");
    const of = { workspaceId, idempotencyKey: null, bodyHash: digestOf("tree"), secrets: [] };
    const submit = { ...of, submittedBy: token.id };
    await store.journal.submit({ ...submit, runId: rootRunId, snapshot: root });
    const runs = [rootRunId];
    for (const snapshot of tasks) {
      const runId = newId("run");
      const tree = { run_id: rootRunId, root_run_id: rootRunId, depth: 1, group: "all" };
      const parent = { ...tree, call_id: newId("call"), policy: "all", async: true } as const;
      await store.journal.submit({ ...submit, runId, snapshot, parent });
      runs.push(runId);
    }
    return { workspaceId, rootRunId, runs };
  });
}
