import { describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import type { Waits } from "../store/store.ts";
import { openWaitWatch } from "./watch-waits.ts";

/** Waits of which one cannot be looked at for the first times. */
function open(failing: string, times: number) {
  const resumed: string[] = [];
  const looked: string[] = [];
  let left = times;
  const done = Promise.withResolvers<void>();
  const waits: Omit<Waits, "on"> = {
    async settle(runId) {
      looked.push(runId);
      if (runId === failing && left-- > 0) throw new Error("The row cannot be read");
      return { runId, workspaceId: "ws", rootRunId: runId };
    },
    all: async () => ["before", failing],
    due: async () => [],
    nextUntil: async () => undefined,
  };
  const watch = openWaitWatch({
    ...{ waits, clock: { ...systemClock, sleep: async () => undefined }, log: openLog("silent") },
    onResumed({ runId }) {
      resumed.push(runId);
      if (runId === failing) done.resolve();
    },
  });
  return { watch, resumed, looked, done: done.promise };
}

describe("the watch over waits", () => {
  it("lets the others go on when one cannot be looked at, and looks at that one again", async () => {
    const { watch, resumed, looked, done } = open("broken", 3);
    await watch.start();
    await watch.look(["after"]);
    expect(resumed).toEqual(expect.arrayContaining(["before", "after"]));
    await done;
    await watch.close();
    expect(looked.filter((id) => id === "broken").length).toBeGreaterThanOrEqual(4);
  });
});
