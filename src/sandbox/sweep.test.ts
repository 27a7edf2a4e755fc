import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openCgroups } from "./cgroup.ts";
import { isAlive, processTree, readStat, waitUntil } from "./processes.ts";
import {
  isRoot,
  newDataDir,
  openRoom,
  processesWith,
  type Room,
  removeAll,
  runUid,
  uniqueSleep,
} from "./room.testing.ts";

let room: Room;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room.close());

const owner = isRoot ? { uid: runUid ?? 0, gid: 600_000 } : {};

test("a sandbox that outlived its gateway is ended; others of the same uid are not", async () => {
  const [marker, other] = [uniqueSleep(), uniqueSleep()];
  // Without --die-with-parent: what is left when the kernel could not end it.
  const mounts = ["--ro-bind", "/", "/", "--bind", room.place.tmp, "/tmp"];
  const args = ["--unshare-user", "--unshare-pid", ...mounts, "--", "sleep", marker];
  const orphan = spawn("/usr/bin/bwrap", args, { stdio: "ignore", cwd: "/", ...owner });
  const stranger = spawn("/bin/sleep", [other], { stdio: "ignore", cwd: "/", ...owner });
  const strangerEnded = once(stranger, "exit");
  const orphanEnded = once(orphan, "exit");
  try {
    const isUp = () => processTree(orphan.pid ?? -1).length >= 3;
    expect(await waitUntil(isUp, 5000, systemClock)).toBe(true);
    await room.sandbox.sweep();
    await orphanEnded;
    expect(processesWith(marker)).toEqual([]);
    expect(processesWith(other)).toHaveLength(1);
  } finally {
    stranger.kill("SIGKILL");
    orphan.kill("SIGKILL");
    await strangerEnded;
  }
});

test("a child that bwrap had made and not yet let go on is ended, and no sandbox of another gateway", async () => {
  // The same call as ours, which waits where a real one waits for its parent: for its arguments' user namespace.
  const start = () =>
    spawn("/usr/bin/bwrap", ["--args", "4", "--", "/airlock/exec", "1", "1"], {
      ...{ cwd: "/", ...owner },
      stdio: ["ignore", "ignore", "ignore", "ignore", "pipe", "ignore", "pipe", "pipe"],
    });
  const args = [
    "--unshare-user",
    "--unshare-pid",
    "--info-fd",
    "6",
    "--userns-block-fd",
    "7",
    "--ro-bind",
    "/",
    "/",
  ];
  const forsaken = start();
  const living = start();
  const ends = [forsaken, living].map((bwrap) => once(bwrap, "exit"));
  for (const bwrap of [forsaken, living]) {
    const [, , , , options] = bwrap.stdio as unknown as [null, null, null, null, Writable];
    options.end(`${args.join("\0")}\0`);
  }
  const childOf = (pid = -1) => processTree(pid).find(({ ppid }) => ppid === pid);
  const both = () => [forsaken, living].every(({ pid }) => childOf(pid) !== undefined);
  expect(await waitUntil(both, 5000, systemClock)).toBe(true);
  const [left, used] = [childOf(forsaken.pid), childOf(living.pid)];
  forsaken.kill("SIGKILL");
  await ends[0];
  expect(isAlive(left?.pid ?? -1, left?.startTime ?? "")).toBe(true);
  await room.sandbox.sweep();
  expect(isAlive(left?.pid ?? -1, left?.startTime ?? "")).toBe(false);
  expect(isAlive(used?.pid ?? -1, used?.startTime ?? "")).toBe(true);
  process.kill(used?.pid ?? -1, "SIGKILL");
  living.kill("SIGKILL");
  await ends[1];
});

test("groups that an earlier gateway left are emptied and removed", async () => {
  const dataDir = newDataDir();
  const before = await openCgroups(dataDir, systemClock);
  const later = await openCgroups(dataDir, systemClock);
  expect(later?.version).toBe(before?.version);
  const left = await before?.create();
  const child = spawn("/bin/sleep", [uniqueSleep()], { stdio: "ignore" });
  const ended = once(child, "exit");
  await left?.join(child.pid ?? -1);
  // A host that gives no groups has nothing to sweep; there the process is ours to end.
  if (later === null) child.kill("SIGKILL");
  else expect(left?.members()).toEqual([child.pid]);
  await later?.sweep();
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(left?.members() ?? []).toEqual([]);
  later?.close();
  removeAll(dataDir);
});

test("a process with the same number but another start is not the same one", () => {
  const own = readStat(process.pid);
  expect(isAlive(process.pid, own?.startTime ?? "")).toBe(true);
  expect(isAlive(process.pid, "1")).toBe(false);
});

test("a process whose parent has not looked yet is dead all the same", async () => {
  // The shell starts a child that ends, becomes something that never waits, and so keeps a zombie.
  const parent = spawn("/bin/sh", ["-c", "sleep 0.2 & echo $!; exec sleep 100"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(parent, "exit");
  const [chunk] = await once(parent.stdout, "data");
  const pid = Number(String(chunk));
  const isZombie = () => readStat(pid)?.state === "Z";
  expect(await waitUntil(isZombie, 5000, systemClock)).toBe(true);
  expect(isAlive(pid, readStat(pid)?.startTime ?? "")).toBe(false);
  parent.kill("SIGKILL");
  await ended;
});
