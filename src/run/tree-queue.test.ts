import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openTreeQueue, type QueuedRun } from "./tree-queue.ts";

const run = (rootRunId: string, runId = rootRunId, workspaceId = "ws"): QueuedRun => ({
  ...{ runId, workspaceId, rootRunId },
});
const nobodyIsFull = () => false;

/** Admits up to `places` runs at once and ends the oldest of them when there is no place; the order in which they began. */
function drive(queue: ReturnType<typeof openTreeQueue>, places: number): string[] {
  const atWork: QueuedRun[] = [];
  const began: string[] = [];
  for (;;) {
    const next = atWork.length < places ? queue.next(nobodyIsFull) : undefined;
    if (next === undefined) {
      const ended = atWork.shift();
      if (ended === undefined) return began;
      queue.ended(ended.rootRunId);
      continue;
    }
    queue.delete(next);
    queue.began(next.rootRunId);
    atWork.push(next);
    began.push(next.runId);
  }
}

describe("whose turn it is", () => {
  it("is the oldest tree's, and in it the oldest run's", () => {
    const queue = openTreeQueue();
    for (const one of [run("c"), run("a", "a2"), run("b"), run("a", "a1"), run("a")])
      queue.add(one);
    expect(drive(queue, 1)).toEqual(["a", "a1", "a2", "b", "c"]);
  });

  it("is not again the tree's that is at work while others wait, however many tasks it has", () => {
    const queue = openTreeQueue();
    for (let task = 0; task < 1000; task++) queue.add(run("a", `a${1000 + task}`));
    for (const late of ["b", "c", "d"]) queue.add(run(late));
    const began = drive(queue, 2);
    expect(began.slice(0, 2)).toEqual(["a1000", "b"]);
    expect(began.indexOf("d")).toBeLessThan(8);
    expect(began).toHaveLength(1003);
  });

  it("passes over a workspace that is full, and comes back to it", () => {
    const queue = openTreeQueue();
    queue.add(run("a", "a", "full"));
    queue.add(run("b", "b", "free"));
    expect(queue.next((workspaceId) => workspaceId === "full")?.runId).toBe("b");
    expect(queue.next(() => true)).toBeUndefined();
    expect(queue.next(nobodyIsFull)?.runId).toBe("a");
  });

  it("comes for each run once, whatever was added twice or taken away", () => {
    const step = fc.record({
      tree: fc.constantFrom("a", "b", "c", "d"),
      task: fc.nat(5),
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), fc.integer({ min: 1, max: 4 }), (steps, places) => {
        const queue = openTreeQueue();
        const waiting = new Set<string>();
        for (const { tree, task, gone } of steps) {
          const one = run(tree, `${tree}${task}`);
          if (gone) queue.delete(one);
          else queue.add(one);
          if (gone) waiting.delete(one.runId);
          else waiting.add(one.runId);
        }
        expect(drive(queue, places).sort()).toEqual([...waiting].sort());
      }),
    );
  });
});
