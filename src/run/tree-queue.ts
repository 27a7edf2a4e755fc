/** A run that may be driven as soon as there is a place. */
export interface QueuedRun {
  runId: string;
  workspaceId: string;
  /** The first run of its tree. */
  rootRunId: string;
}

/**
 * Runs that wait for a place, and whose turn it is: the tree with the fewest runs at work comes first, so that one with a
 * thousand tasks does not keep the others waiting; among equals the oldest tree, so that what was begun is finished before
 * something new is begun; within a tree the oldest run, so that whoever waited for its tasks goes on before its next task
 * begins. Ids grow with time.
 */
export interface TreeQueue {
  add(run: QueuedRun): void;
  delete(run: Pick<QueuedRun, "runId" | "rootRunId">): void;
  /** Whose turn it is; a tree of a workspace that is full has to wait. Undefined: nobody's. */
  next(isFull: (workspaceId: string) => boolean): QueuedRun | undefined;
  began(rootRunId: string): void;
  ended(rootRunId: string): void;
}

interface Tree {
  rootRunId: string;
  workspaceId: string;
  waiting: Map<string, QueuedRun>;
}

export function openTreeQueue(): TreeQueue {
  /** Of those that wait, oldest first. */
  const trees: Tree[] = [];
  const byRoot = new Map<string, Tree>();
  const atWork = new Map<string, number>();

  /** Where a tree is, or belongs. */
  const placeOf = (rootRunId: string): number => {
    let low = 0;
    let high = trees.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((trees[middle]?.rootRunId ?? "") < rootRunId) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    add(run) {
      const { runId, workspaceId, rootRunId } = run;
      let tree = byRoot.get(rootRunId);
      if (tree === undefined) {
        tree = { rootRunId, workspaceId, waiting: new Map() };
        byRoot.set(rootRunId, tree);
        trees.splice(placeOf(rootRunId), 0, tree);
      }
      tree.waiting.set(runId, run);
    },
    delete({ runId, rootRunId }) {
      const tree = byRoot.get(rootRunId);
      if (tree === undefined) return;
      tree.waiting.delete(runId);
      if (tree.waiting.size > 0) return;
      byRoot.delete(rootRunId);
      trees.splice(placeOf(rootRunId), 1);
    },
    next(isFull) {
      let best: Tree | undefined;
      let fewest = Number.POSITIVE_INFINITY;
      for (const tree of trees) {
        if (isFull(tree.workspaceId)) continue;
        const busy = atWork.get(tree.rootRunId) ?? 0;
        if (busy < fewest) {
          best = tree;
          fewest = busy;
        }
        // No tree has fewer, and those that follow are younger.
        if (busy === 0) break;
      }
      return best && oldest(best.waiting);
    },
    began: (rootRunId) => void atWork.set(rootRunId, (atWork.get(rootRunId) ?? 0) + 1),
    ended(rootRunId) {
      const left = (atWork.get(rootRunId) ?? 1) - 1;
      if (left === 0) atWork.delete(rootRunId);
      else atWork.set(rootRunId, left);
    },
  };
}

function oldest(waiting: ReadonlyMap<string, QueuedRun>): QueuedRun | undefined {
  let found: QueuedRun | undefined;
  for (const run of waiting.values()) {
    if (found === undefined || run.runId < found.runId) found = run;
  }
  return found;
}
