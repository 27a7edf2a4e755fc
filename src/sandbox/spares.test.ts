import { createHash } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { times } from "../../test/support/soak.ts";
import { systemClock } from "../base/clock.ts";
import { findHierarchy } from "./cgroup.ts";
import { groupsBelow } from "./cgroup-files.ts";
import { closeHost, openHost } from "./open-sandbox.ts";
import { provisionPlace } from "./places.ts";
import { commandLineOf, killProcess, processTree, waitUntil } from "./processes.ts";
import {
  isRoot,
  newDataDir,
  openRoom,
  optionsFor,
  processesWith,
  type Room,
  removeAll,
  runUid,
  testLimits,
  uniqueSleep,
} from "./room.testing.ts";
import { bareSurroundings } from "./sandbox.ts";
import { openSpares } from "./spares.ts";
import { starterScript } from "./starter-script.ts";

const exited = (exitCode: number) => ({ type: "exited", exitCode });
const namespaceOf = (pid: number) => readlinkSync(`/proc/${pid}/ns/pid`);

/** More than the descriptors that may be left for the next ones. */
const commands = times(200, 80);

/** Host pids of the launchers of this process that wait for a command, or run one. */
function launchers(): number[] {
  const own = new Set(processTree(process.pid).map(({ pid }) => pid));
  return processesWith("read -r airlock_lines").filter((pid) => own.has(pid));
}

async function whenWaiting(count: number): Promise<number[]> {
  expect(await waitUntil(() => launchers().length === count, 20_000, systemClock)).toBe(true);
  return launchers();
}

/**
 * The bwrap programs of this process, with what they have started; not what waits to become one, which is seen as what it
 * is only after a moment.
 */
const sandboxed = () =>
  processTree(process.pid)
    .slice(1)
    .map(({ pid }) => pid)
    .filter((pid) => !commandLineOf(pid).includes(starterScript));

describe("a sandbox that was opened in advance", () => {
  let room: Room;
  beforeEach(async () => {
    room = await openRoom();
  });
  afterEach(() => room.close());

  async function prepared(): Promise<number> {
    room.sandbox.prepare(room.place, testLimits);
    return (await whenWaiting(1))[0] ?? 0;
  }

  test("takes the next command, and that one only", async () => {
    const namespace = namespaceOf(await prepared());
    const look = "readlink /proc/self/ns/pid";
    expect((await room.run(look)).stdout).toBe(`${namespace}\n`);
    const [next = 0] = await whenWaiting(1);
    const nextNamespace = namespaceOf(next);
    expect(nextNamespace).not.toBe(namespace);
    expect((await room.run(look)).stdout).toBe(`${nextNamespace}\n`);
  });

  test("is one for a run, however often it is asked for", async () => {
    const pid = await prepared();
    for (let i = 0; i < 5; i++) room.sandbox.prepare(room.place, testLimits);
    expect((await room.run(":")).end).toEqual(exited(0));
    const [next] = await whenWaiting(1);
    expect(next).not.toBe(pid);
  });

  test("sees what is staged after it was opened", async () => {
    const namespace = namespaceOf(await prepared());
    const data = Buffer.from("staged late\n");
    const sha256 = `sha256:${createHash("sha256").update(data).digest("hex")}`;
    const request = { name: "late/a.txt", sha256, placedBefore: [], newer: true };
    await room.sandbox.stage(room.place, [{ ...request, read: async () => [data] }]);
    const said = await room.run("readlink /proc/self/ns/pid; cat late/a.txt && echo >late/b");
    expect(said.stdout).toBe(`${namespace}\nstaged late\n`);
    expect(said.end).toEqual(exited(0));
  });

  test("is not used for other limits than its own", async () => {
    const limits = [{ memoryBytes: 128 * 2 ** 20 }, { processes: 32 }, { diskBytes: 2 ** 25 }];
    for (const other of limits) {
      room.sandbox.prepare(room.place, testLimits);
      const [pid = 0] = await whenWaiting(1);
      const namespace = namespaceOf(pid);
      const said = await room.run("readlink /proc/self/ns/pid; ulimit -f; ulimit -u", other);
      const [own, blocks, processes] = said.stdout.split("\n");
      expect(own).not.toBe(namespace);
      if (other.diskBytes) expect(blocks).toBe(String(other.diskBytes / 1024));
      if (other.processes) expect(Number(processes)).toBeLessThan(testLimits.processes);
      await room.sandbox.discard("run_test");
      expect(launchers()).toEqual([]);
    }
  });

  test("that was killed is replaced in the same call, and the command runs once", async () => {
    for (const pause of [true, false]) {
      const pid = await prepared();
      const init = processTree(process.pid).find((stat) => stat.pid === pid)?.ppid ?? 0;
      // Pid 1 takes the launcher with it, but not before a command could begin.
      killProcess(pause ? init : pid);
      if (pause) await whenWaiting(0);
      const said = await room.run("echo x >>ran; wc -l <ran; rm ran");
      expect(said).toMatchObject({ end: exited(0), stdout: "1\n", stderr: "" });
      await room.sandbox.discard("run_test");
    }
  });

  test("is gone when it is discarded, when the run is removed, and at the end", async () => {
    await prepared();
    await room.sandbox.discard("run_test");
    await expect.poll(sandboxed).toEqual([]);
    await prepared();
    expect(await room.sandbox.remove("run_test", runUid)).toBe(true);
    await expect.poll(sandboxed).toEqual([]);
    const other = await room.sandbox.provision({
      ...{ runId: "run_other", uid: runUid, outputDirs: [], files: [], own: [] },
    });
    room.sandbox.prepare(other, testLimits);
    await room.sandbox.close();
    await expect.poll(sandboxed).toEqual([]);
    room.sandbox.prepare(other, testLimits);
    await expect.poll(sandboxed).toEqual([]);
  });

  test("never comes after its run was let go", async () => {
    for (let i = 0; i < 10; i++) {
      await room.run("true");
      await systemClock.sleep(i);
      await room.sandbox.discard("run_test");
      await expect.poll(sandboxed).toEqual([]);
    }
  });

  test(`leaves no descriptor, group or pipe after ${commands} commands`, async () => {
    const counts = () => ({
      descriptors: readdirSync("/proc/self/fd").length,
      groups: groupsOf(room.dataDir),
      pipes: readdirSync(join(room.dataDir, "pipes")).length,
    });
    await room.run("true");
    await room.sandbox.discard("run_test");
    await room.sandbox.sweep();
    const before = counts();
    const marker = uniqueSleep();
    for (let i = 0; i < commands; i++) {
      const command = i % 3 === 0 ? `sleep ${marker} & exit 3` : "exit 3";
      expect((await room.run(command)).end).toEqual(exited(3));
      if (i % 20 === 0) room.sandbox.prepare(room.place, testLimits);
    }
    await room.sandbox.discard("run_test");
    expect(processesWith(marker)).toEqual([]);
    await expect.poll(sandboxed).toEqual([]);
    // What waits to become a sandbox is not left over, and a sweep looks for what is.
    await room.sandbox.sweep();
    expect(await waitUntil(() => groupsOf(room.dataDir) === 0, 5_000, systemClock)).toBe(true);
    const after = counts();
    expect(after).toEqual({ ...before, groups: 0, descriptors: after.descriptors });
    // A few shells for the next ones, however many commands there were.
    expect(after.descriptors - before.descriptors).toBeLessThan(50);
  }, 180_000);
});

/** The groups of the sandboxes of a data directory, in every hierarchy. */
function groupsOf(dataDir: string): number {
  const name = `airlock-${createHash("sha256").update(dataDir).digest("hex").slice(0, 12)}`;
  return ["", "memory", "pids", "cpu"]
    .flatMap((controller) => findHierarchy(controller)?.own ?? [])
    .flatMap((own) => groupsBelow(join(own, name))).length;
}

test("there are never more of them than the limit", async () => {
  const dataDir = newDataDir();
  const host = await openHost(optionsFor(dataDir));
  const spares = openSpares(host, 2);
  try {
    const places = await Promise.all(
      [1, 2, 3].map((number) =>
        provisionPlace(host, {
          ...{ runId: `run_${number}`, outputDirs: [], files: [], own: [] },
          uid: isRoot ? 600_000 + number : null,
        }),
      ),
    );
    for (const place of places) spares.prepare(place, testLimits, bareSurroundings);
    const pids = await whenWaiting(2);
    expect(pids).toHaveLength(2);
    const [first, , third] = places;
    if (!first || !third) throw new Error("three places were made");
    expect(await spares.claim(third, testLimits, bareSurroundings)).toBeUndefined();
    await spares.discard(first.runId);
    spares.prepare(third, testLimits, bareSurroundings);
    await whenWaiting(2);
    await spares.discardAll();
    await expect.poll(sandboxed).toEqual([]);
  } finally {
    await spares.discardAll();
    await closeHost(host);
    removeAll(dataDir);
  }
});
