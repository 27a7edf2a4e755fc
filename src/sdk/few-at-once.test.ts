import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { fewAtOnce } from "./few-at-once.ts";

it("does no more at the same time than it may, and answers in the order of the items", async () => {
  let atWork = 0;
  let most = 0;
  const items = Array.from({ length: 40 }, (_, index) => index);
  const results = await fewAtOnce(items, 4, async (item, index) => {
    atWork += 1;
    most = Math.max(most, atWork);
    // Later ones are done sooner.
    for (let turn = item; turn < 40; turn++) await setImmediate();
    atWork -= 1;
    return item * 2 + index;
  });
  expect(results).toEqual(items.map((item) => item * 3));
  expect(most).toBe(4);
  expect(await fewAtOnce([], 4, async () => 1)).toEqual([]);
});

it("begins nothing after the first failure, and has ended what was begun when it tells of it", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = fewAtOnce([0, 1, 2, 3, 4, 5, 6, 7], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("the second");
    for (let turn = 0; turn < 5; turn++) await setImmediate();
    ended.push(item);
  });
  await expect(work).rejects.toThrow("the second");
  expect(begun).toEqual([0, 1]);
  expect(ended).toEqual([0]);
});
