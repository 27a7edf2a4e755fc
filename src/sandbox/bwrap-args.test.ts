import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../base/clock.ts";
import { openLog } from "../base/log.ts";
import { type BwrapSpec, bwrapArgs } from "./bwrap-args.ts";
import { closeHost, type OpenedHost, openHost } from "./open-sandbox.ts";
import { provisionPlace } from "./places.ts";
import { isRoot, newDataDir, removeAll, runUid } from "./room.testing.ts";
import { bareSurroundings, type Place } from "./sandbox.ts";
import { seccompFd, spawnSandbox, statusFd } from "./spawn.ts";

const spec: BwrapSpec = {
  layout: {
    directories: ["/usr"],
    links: [{ path: "/bin", target: "usr/bin" }],
    etc: ["/etc/ld.so.cache"],
    procMasks: ["/proc/keys"],
    procReadOnly: ["/proc/sys"],
    bash: true,
  },
  runtime: "/data/runtime/x",
  toolchains: ["/opt/go"],
  toolchainBins: ["/opt/go/bin"],
  place: { tmp: "/data/t", workspace: "/data/w", cache: "/data/c", own: "/data/o" },
  surroundings: bareSurroundings,
  seccompFd: 3,
  statusFd: 5,
};

describe("the options of bwrap", () => {
  const args = bwrapArgs(spec);
  const at = (...wanted: string[]) => {
    const index = args.findIndex((_, i) => wanted.every((word, j) => args[i + j] === word));
    expect([wanted, index >= 0]).toEqual([wanted, true]);
    return index;
  };

  test("never share anything and never fall back", () => {
    expect(args.filter((arg) => /--share-net|unshare.*-try|dev-bind|cap-add/.test(arg))).toEqual(
      [],
    );
    for (const name of ["user", "pid", "net", "ipc", "uts", "cgroup"]) at(`--unshare-${name}`);
  });

  test("come in the order in which they hold", () => {
    const order = [
      at("--tmpfs", "/"),
      at("--ro-bind", "/usr", "/usr"),
      at("--proc", "/proc"),
      at("--ro-bind", "/proc/sys", "/proc/sys"),
      at("--dev", "/dev"),
      at("--tmpfs", "/dev/shm"),
      at("--remount-ro", "/dev"),
      at("--ro-bind", "/opt/go", "/opt/go"),
      at("--ro-bind", "/data/o", "/airlock-run"),
      at("--bind", "/data/t", "/tmp"),
      at("--remount-ro", "/"),
      at("--ro-bind", "/data/runtime/x", "/airlock"),
    ];
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(args.slice(-3)).toEqual(["--ro-bind", "/data/runtime/x", "/airlock"]);
  });

  test("bind nothing writable but the run's own three directories", () => {
    const writable = args.flatMap((arg, i) => (arg === "--bind" ? [args[i + 2]] : []));
    expect(writable).toEqual(["/tmp", "/workspace", "/cache"]);
  });

  test("bind directories themselves where a host has not merged /usr", () => {
    const layout = { ...spec.layout, directories: ["/usr", "/bin", "/lib"], links: [] };
    const unmerged = bwrapArgs({ ...spec, layout }).join(" ");
    expect(unmerged).toContain("--ro-bind /usr /usr --ro-bind /bin /bin --ro-bind /lib /lib");
  });

  test("put a toolchain's programs first on PATH and ours behind the host's", () => {
    const path = args[at("--setenv", "PATH") + 2];
    expect(path?.split(":").slice(0, 5)).toEqual([
      ...["/opt/go/bin", "/usr/local/bin", "/usr/bin", "/bin", "/airlock/bin"],
    ]);
  });
});

describe("a gateway that dies while it writes the options", () => {
  let dataDir: string;
  let host: OpenedHost;
  let place: Place;
  beforeAll(async () => {
    dataDir = newDataDir();
    host = await openHost({
      ...{ dataDir, uidRange: { first: 600_000, last: 600_099 }, toolchains: [] },
      ...{ clock: systemClock, log: openLog("silent") },
    });
    const request = { runId: "run_prefix", uid: runUid, outputDirs: [], files: [], own: [] };
    place = await provisionPlace(host, request);
  });
  afterAll(async () => {
    await closeHost(host);
    removeAll(dataDir);
  });

  async function start(args: string[]): Promise<boolean> {
    const owner = isRoot ? { uid: runUid ?? 0, gid: 600_000 } : undefined;
    const starter = await host.starters.take();
    const launch = ["1000000", "64"];
    const spawned = spawnSandbox(starter, { args, seccomp: host.seccomp, owner, launch });
    spawned.hand("touch /tmp/ran");
    for (const pipe of [starter.stdout, starter.stderr]) pipe.drain();
    const ended = await spawned.ended;
    starter.release();
    return ended.launched || ended.exitCode === 0 || existsSync(join(place.tmp, "ran"));
  }

  test("never runs the command with a part of them", async () => {
    const args = bwrapArgs({
      ...{ layout: host.layout, runtime: host.runtime, place, seccompFd, statusFd },
      ...{ toolchains: [], toolchainBins: [], surroundings: bareSurroundings },
    });
    const ran: number[] = [];
    // Every option boundary of the last mounts, and a sample of the others.
    for (let length = 0; length < args.length; length += length > args.length - 40 ? 1 : 4) {
      if (await start(args.slice(0, length))) ran.push(length);
    }
    // The last word can be cut in the middle as well.
    for (const cut of ["/", "/air", "/airloc"]) {
      if (await start([...args.slice(0, -1), cut])) ran.push(-1);
    }
    expect(ran).toEqual([]);
    mkdirSync(join(place.tmp, "control"));
    expect(await start(args)).toBe(true);
    expect(existsSync(join(place.tmp, "ran"))).toBe(true);
  });
});
