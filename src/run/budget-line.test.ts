import { describe, expect, it } from "vitest";
import { openBudgetLine } from "./budget-line.ts";

/** Time that passes when the test says so. */
function heldClock() {
  const ends: (() => void)[] = [];
  return {
    pass: () => {
      for (const end of ends.splice(0)) end();
    },
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        ends.push(resolve);
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
  };
}

const never = new AbortController().signal;
const tick = () => new Promise((next) => setImmediate(next));

describe("the line before a budget", () => {
  it("serves those who wait in the order of their coming, one for each settlement that makes room", async () => {
    const line = openBudgetLine(heldClock());
    const served: string[] = [];
    let room = 0;
    const come = async (name: string) => {
      const take = async () => (room > 0 ? room-- : undefined);
      await line.enter("root", take, never);
      served.push(name);
    };
    const all = ["a", "b", "c"].map(come);
    await tick();
    expect(served).toEqual([]);
    for (const wanted of [["a"], ["a", "b"], ["a", "b", "c"]]) {
      room = 1;
      line.moved("root");
      await tick();
      expect(served).toEqual(wanted);
    }
    await Promise.all(all);
  });

  it("does not miss what moves while it asks", async () => {
    const line = openBudgetLine(heldClock());
    let asked = 0;
    const take = async () => {
      asked += 1;
      if (asked === 2) line.moved("root");
      await tick();
      return asked > 2 ? "room" : undefined;
    };
    expect(await line.enter("root", take, never)).toBe("room");
    expect(asked).toBe(3);
  });

  it("asks for the last time when the time is over", async () => {
    const clock = heldClock();
    const line = openBudgetLine(clock);
    const take = async (isLast: boolean) => (isLast ? "what there is" : undefined);
    const waits = line.enter("root", take, never);
    await tick();
    clock.pass();
    expect(await waits).toBe("what there is");
  });

  it("lets nobody overtake when one in the middle gives up", async () => {
    const line = openBudgetLine(heldClock());
    const served: string[] = [];
    let room = 0;
    const gone = new AbortController();
    const come = async (name: string, signal: AbortSignal) => {
      await line.enter("root", async () => (room > 0 ? room-- : undefined), signal);
      served.push(name);
    };
    const first = come("first", never);
    const second = come("second", gone.signal);
    const third = come("third", never);
    await tick();
    gone.abort(new Error("cancelled"));
    await expect(second).rejects.toThrow("cancelled");
    expect(served).toEqual([]);
    room = 2;
    line.moved("root");
    await Promise.all([first, third]);
    expect(served).toEqual(["first", "third"]);
  });

  it("is one for each tree", async () => {
    const line = openBudgetLine(heldClock());
    const gone = new AbortController();
    const waits = line.enter("one", async () => undefined, gone.signal);
    await tick();
    expect(await line.enter("other", async () => "room", never)).toBe("room");
    gone.abort(new Error("over"));
    await expect(waits).rejects.toThrow("over");
  });
});
