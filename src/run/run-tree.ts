import { limits } from "../base/limits.ts";
import { Problem } from "../contract/problem.ts";
import type { RunTree, RunTreeNode } from "../contract/run-tree.ts";
import type { Store } from "../store/store.ts";
import { notThere } from "./reads.ts";

/**
 * The whole tree to which a run belongs, each run with those that it started, oldest first. Throws `not_found`, and
 * `payload_too_large` when what its runs were given and said is more than one answer holds.
 */
export async function readRunTree(
  store: Store,
  workspaceId: string,
  runId: string,
): Promise<RunTree> {
  const tree = await store.runs.tree(workspaceId, runId);
  if (tree === undefined) throw await notThere(store, workspaceId, runId);
  const { rootRunId } = tree;
  const nodes = new Map<string, RunTreeNode>();
  let bytes = 0;
  for (const { runId: id } of await store.runs.treeTasks(workspaceId, rootRunId)) {
    const run = await store.runs.get(workspaceId, id);
    if (run === undefined) continue;
    bytes += JSON.stringify(run).length;
    if (bytes > limits.treeBytes) {
      const expected = `expected at most ${limits.treeBytes}; read its runs one by one`;
      throw new Problem("payload_too_large", `The tree of ${rootRunId} is too large: ${expected}`);
    }
    const node = { run, children: [] };
    nodes.set(id, node);
    // Ids grow with time: whoever started a run stands before it.
    nodes.get(run.parentRunId ?? "")?.children.push(node);
  }
  const root = nodes.get(rootRunId);
  // Deleted while it was read.
  if (root === undefined) throw await notThere(store, workspaceId, runId);
  return {
    rootRunId,
    runs: nodes.size,
    budget: await store.budgets.shown(workspaceId, rootRunId),
    root,
  };
}
