import fc from "fast-check";
import { expect, it } from "vitest";
import { atMost } from "./at-most.ts";

it("does so many pieces at once, in their order, and all of them, whatever fails", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.boolean(), { maxLength: 20 }),
      fc.scheduler(),
      async (places, pieces, scheduler) => {
        const inTurn = atMost(places);
        const begun: number[] = [];
        let busy = 0;
        const asked = pieces.map((fails, at) =>
          inTurn(async () => {
            begun.push(at);
            busy += 1;
            expect(busy).toBeLessThanOrEqual(places);
            await scheduler.schedule(Promise.resolve());
            busy -= 1;
            if (fails) throw new Error("failed");
            return at;
          }),
        );
        const settled = Promise.allSettled(asked);
        await scheduler.waitFor(settled);
        expect(begun).toEqual(pieces.map((_, at) => at));
        expect((await settled).map(({ status }) => status === "rejected")).toEqual(pieces);
        // Every place is free again.
        await expect(inTurn(async () => "free")).resolves.toBe("free");
      },
    ),
  );
});

it("lets another in after one piece, however many were asked for before", async () => {
  const inTurn = atMost(2);
  const begun: string[] = [];
  const gates = Array.from({ length: 30 }, () => Promise.withResolvers<void>());
  const ask = (whose: string, at: number) =>
    inTurn(async () => {
      begun.push(whose);
      await gates[at]?.promise;
    }, whose);
  const asked = Array.from({ length: 27 }, (_, at) => ask("greedy", at));
  asked.push(ask("a", 27), ask("a", 28), ask("b", 29));
  for (const { resolve } of gates) resolve();
  await Promise.all(asked);
  expect(begun).toHaveLength(30);
  expect(begun.slice(0, 8)).toEqual([
    "greedy",
    "greedy",
    "greedy",
    "a",
    "b",
    "greedy",
    "a",
    "greedy",
  ]);
});
