import { expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openProcessScan } from "./process-scan.ts";
import { listProcesses, processTree } from "./processes.ts";

const pids = (tree: { pid: number }[]) => tree.map(({ pid }) => pid).sort((a, b) => a - b);

test("a scan finds what a look of one's own finds", () => {
  const scan = openProcessScan(systemClock);
  expect(pids(scan.below(process.pid))).toEqual(pids(processTree(process.pid)));
  expect(scan.below(2 ** 30)).toEqual([]);
});

test("twenty commands that ask at once cost one look, and a slow look is not repeated soon", () => {
  let now = 0;
  let looks = 0;
  const clock = { ...systemClock, monotonic: () => now };
  const scan = openProcessScan(clock, () => {
    looks += 1;
    now += 50;
    return listProcesses();
  });
  for (let count = 0; count < 20; count++) scan.below(process.pid);
  expect(looks).toBe(1);
  now = 240;
  scan.below(process.pid);
  expect(looks).toBe(1);
  now = 250;
  scan.below(process.pid);
  expect(looks).toBe(2);
});
