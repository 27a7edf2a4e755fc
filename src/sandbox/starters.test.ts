import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { closeHost, type OpenedHost, openHost } from "./open-sandbox.ts";
import { commandLineOf, isAlive, killProcess, processTree, waitUntil } from "./processes.ts";
import {
  newDataDir,
  openRoom,
  optionsFor,
  processesWith,
  removeAll,
  uniqueSleep,
} from "./room.testing.ts";
import { starterScript } from "./starter-script.ts";
import { openStarters, type Starter } from "./starters.ts";

const within = (done: () => boolean) => waitUntil(done, 20_000, systemClock);

let dataDir: string;
let host: OpenedHost;
beforeEach(async () => {
  dataDir = newDataDir();
  host = await openHost(optionsFor(dataDir));
});
afterEach(async () => {
  await closeHost(host);
  removeAll(dataDir);
});

/** Shells and starters of this data directory, by their command line. */
const waiting = () =>
  processesWith(dataDir).filter((pid) => commandLineOf(pid).includes(starterScript));

async function end(starter: Starter): Promise<void> {
  starter.kill();
  await starter.over;
  starter.release();
}

test("what waits to become a sandbox is in a control group of its own, and alone there", async () => {
  const one = await host.starters.take();
  const other = await host.starters.take();
  expect(one.pid).not.toBe(other.pid);
  if (host.cgroups !== null) {
    expect(one.group?.members()).toEqual([one.pid]);
    expect(other.group?.members()).toEqual([other.pid]);
  }
  await Promise.all([end(one), end(other)]);
});

test("one that was killed while it waited is not given out", async () => {
  const starters = openStarters(host, 1);
  const first = await starters.take();
  // The first, its shell, the next one and its shell.
  expect(await within(() => waiting().length === 4)).toBe(true);
  const shells = new Set(waiting().filter((pid) => processTree(pid).length > 1));
  const next = waiting().filter((pid) => !shells.has(pid) && pid !== first.pid);
  expect(next).toHaveLength(1);
  for (const pid of next) killProcess(pid);
  expect(await within(() => !waiting().some((pid) => next.includes(pid)))).toBe(true);
  const second = await starters.take();
  expect(next).not.toContain(second.pid);
  expect(second.isAlive()).toBe(true);
  await Promise.all([end(first), end(second)]);
  await starters.close();
  expect(waiting()).toEqual([]);
});

test("one whose shell is gone is not given out: nobody would end it with the gateway", async () => {
  const starters = openStarters(host, 1);
  const first = await starters.take();
  expect(await within(() => waiting().length === 4)).toBe(true);
  const shells = waiting().filter((pid) => processTree(pid).length > 1);
  for (const pid of shells) killProcess(pid);
  expect(await within(() => !waiting().some((pid) => shells.includes(pid)))).toBe(true);
  expect(await first.over).toBeNull();
  expect(first.isAlive()).toBe(false);
  const second = await starters.take();
  expect(processTree(process.pid).map(({ pid }) => pid)).toContain(second.pid);
  await Promise.all([end(first), end(second)]);
  await starters.close();
  expect(waiting()).toEqual([]);
});

test("a sandbox ends with the shell that it is below, and the next command has another", async () => {
  const room = await openRoom();
  try {
    const marker = uniqueSleep();
    const running = room.run(`echo up; exec sleep ${marker}`);
    expect(await within(() => processesWith(`sleep\0${marker}`).length === 1)).toBe(true);
    const [inside = 0] = processesWith(`sleep\0${marker}`);
    const shell = processTree(process.pid).find(
      ({ pid }) =>
        commandLineOf(pid).includes(starterScript) &&
        processTree(pid).some((below) => below.pid === inside),
    );
    if (shell === undefined) throw new Error("the sandbox has a shell above it");
    killProcess(shell.pid);
    expect((await running).end).toEqual({ type: "exited", exitCode: 137 });
    expect(isAlive(shell.pid, shell.startTime)).toBe(false);
    expect(processesWith(`sleep\0${marker}`)).toEqual([]);
    expect((await room.run("echo again")).stdout).toBe("again\n");
  } finally {
    await room.close();
  }
});

test("pipes go with their shell, however many were needed at once", async () => {
  const pipes = join(host.dataDir, "pipes");
  const slots = () => readdirSync(pipes).flatMap((name) => readdirSync(join(pipes, name)));
  const starters = openStarters(host, 1);
  const taken: Starter[] = [];
  for (let at = 0; at < 40; at++) taken.push(await starters.take());
  expect(slots().length).toBeGreaterThan(39);
  await Promise.all(taken.map(end));
  // 32 wait for their next use, and the one that is made ahead.
  expect(await within(() => slots().length <= 33)).toBe(true);
  await starters.close();
  expect(slots()).toEqual([]);
});

test("a command ignores no signal that nobody told it to ignore", async () => {
  const room = await openRoom();
  try {
    const { stdout } = await room.run("grep -E 'SigIgn|SigBlk' /proc/self/status");
    expect(stdout).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  } finally {
    await room.close();
  }
});
