import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isSoak } from "../../test/support/soak.ts";
import { systemClock } from "../base/clock.ts";
import { openCgroups } from "./cgroup.ts";
import { commandLineOf, isAlive, type ProcessStat, processTree, waitUntil } from "./processes.ts";
import {
  isRoot,
  newDataDir,
  optionsFor,
  processesWith,
  removeAll,
  runUid,
  uniqueSleep,
} from "./room.testing.ts";
import { openSandbox } from "./sandbox.ts";
import { starterScript } from "./starter-script.ts";

const room = fileURLToPath(new URL("./room.testing.ts", import.meta.url));
const door = fileURLToPath(new URL("./sandbox.ts", import.meta.url));

let dataDir: string;
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  const cgroups = await openCgroups(dataDir, systemClock);
  await cgroups?.sweep();
  cgroups?.close();
  removeAll(dataDir);
});

/** Those that have read their limits and wait for a command. */
function launchersOf(tree: ProcessStat[]): number[] {
  const pids = new Set(tree.map(({ pid }) => pid));
  return processesWith("read -r airlock_lines").filter((pid) => pids.has(pid));
}

/** A gateway in a process of its own, that runs one command and says when it said something. */
function startGateway(command: string) {
  const script = `
    import { openSandbox } from ${JSON.stringify(door)};
    import { optionsFor, runUid, testLimits } from ${JSON.stringify(room)};
    const sandbox = await openSandbox(optionsFor(${JSON.stringify(dataDir)}));
    const place = await sandbox.provision({
      runId: "run_a", uid: runUid, outputDirs: [], files: [], own: [],
    });
    await sandbox.exec(place, {
      command: ${JSON.stringify(command)},
      limits: testLimits,
      signal: new AbortController().signal,
      onOutput: () => console.log("said"),
    });`;
  return spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

test("kill -9 of the gateway leaves no process behind within a second", async () => {
  const marker = uniqueSleep();
  const tree = `(setsid sh -c 'trap "" TERM HUP INT; sleep ${marker}; sleep ${marker}' &)`;
  const gateway = startGateway(`${tree}; nohup sleep ${marker} & sleep 0.1; echo up; sleep 1000`);
  await once(gateway.stdout, "data");
  expect(processesWith(marker).length).toBeGreaterThan(1);
  gateway.kill("SIGKILL");
  const none = () => processesWith(marker).length === 0;
  expect(await waitUntil(none, 1000, systemClock)).toBe(true);
});

test("kill -9 of the gateway ends the sandboxes that only wait", async () => {
  const script = `
    import { openSandbox } from ${JSON.stringify(door)};
    import { optionsFor, runUid, testLimits } from ${JSON.stringify(room)};
    const sandbox = await openSandbox(optionsFor(${JSON.stringify(dataDir)}));
    const place = await sandbox.provision({
      runId: "run_a", uid: runUid, outputDirs: [], files: [], own: [],
    });
    sandbox.prepare(place, testLimits);
    setInterval(() => undefined, 1000);`;
  const gateway = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const below = () => processTree(gateway.pid ?? -1);
  const waits = () => below().length >= 4 && launchersOf(below()).length === 1;
  expect(await waitUntil(waits, 20_000, systemClock)).toBe(true);
  const tree = below();
  // The next one is on its way to a sandbox, and nothing of a run is in it.
  expect(tree.some(({ pid }) => commandLineOf(pid).includes(starterScript))).toBe(true);
  gateway.kill("SIGKILL");
  const none = () => tree.every(({ pid, startTime }) => !isAlive(pid, startTime));
  expect(await waitUntil(none, 1000, systemClock)).toBe(true);
});

test("a later gateway finds the directories, sweeps the leftovers and can go on", async () => {
  const gateway = startGateway("echo one >/workspace/f; echo up; sleep 1000");
  await once(gateway.stdout, "data");
  gateway.kill("SIGKILL");
  await once(gateway, "exit");
  mkdirSync(join(dataDir, "runs", "probe-left"));
  const sandbox = await openSandbox(optionsFor(dataDir));
  try {
    expect(await sandbox.sweep()).toEqual({ runDirectories: ["run_a"] });
    expect(existsSync(join(dataDir, "runs", "probe-left"))).toBe(false);
    expect(readdirSync(join(dataDir, "pipes"))).toHaveLength(1);
    expect(await sandbox.remove("run_a", runUid)).toBe(true);
    expect(await sandbox.sweep()).toEqual({ runDirectories: [] });
  } finally {
    await sandbox.close();
  }
});

if (isRoot) {
  // An ordinary user sees the same behaviour: the same tests, run by one.
  test("an ordinary user's gateway passes the same tests", () => {
    const home = newDataDir();
    try {
      chmodSync(home, 0o777);
      const root = fileURLToPath(new URL("../..", import.meta.url));
      const names = [
        "exec",
        "stage",
        "open-sandbox",
        "seccomp",
        "bwrap-args",
        "sweep",
        "spares",
        "starters",
        // Whoever runs it, the same bytes go the same way: in a soak only.
        ...(isSoak ? ["frame"] : []),
      ];
      const files = names.map((name) => `src/sandbox/${name}.test.ts`);
      // The project's own configuration is compiled beside itself, where that user may not write.
      const config = join(home, "vitest.config.mjs");
      writeFileSync(config, "export default {};");
      const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
      const options = ["--config", config, "--configLoader", "native", "--root", root];
      const args = [
        vitest,
        "run",
        ...options,
        "--testTimeout",
        "180000",
        "--expect.poll.timeout",
        "30000",
        ...files,
      ];
      const done = spawnSync(process.execPath, args, {
        ...{ uid: 65_534, gid: 65_534, cwd: home, encoding: "utf8", timeout: 420_000 },
        env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, NO_COLOR: "1" },
      });
      expect(done.stdout + done.stderr).toMatch(/Tests {2}\d+ passed/);
      expect(done.status).toBe(0);
    } finally {
      removeAll(home);
    }
  }, 450_000);
}
